#pragma once
// History limits: which of a channel's updates readers may still ask for. By count at every append, by bytes and age from
// time to time; rows that only the dedup window needs stay stored behind `first`.
//
// Pure but for the marks it reads. Thread: the loop.
#include "broker/config.h"
#include "broker/log/log_store.h"

namespace tocsin::broker {

/// Applies the count limit and the dedup window to a meta that has grown.
void limit_count(const Config& config, ChannelMeta& meta);
/// Applies the limits by bytes and age to what is committed; true when `meta` changed. A mark that cannot be read ends the search.
[[nodiscard]] bool limit_size_and_age(const Config& config, const LogStore& store, std::int64_t now_ms, Offset committed_last,
                                      ChannelMeta& meta);

}  // namespace tocsin::broker
