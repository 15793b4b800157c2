#pragma once
// feed() over HTTP: batches of NDJSON to an edge, the next one when one does not answer. Slower than the
// link, but needs no key. Internal to feed. Blocking.
#include "ops/ctl/feed.h"

namespace tocsin::ops {

[[nodiscard]] Result<FeedReport> feed_http(const ClusterFile& cluster, DraftStream& stream,
                                           const FeedOptions& options);

}  // namespace tocsin::ops
