#pragma once
// History limits: which of a channel's updates readers may still ask for. By count at every append, by bytes
// and age from time to time; rows that only the dedup window needs stay stored behind `first`. Readers lose
// sight of what is over a limit at once; its rows go a few at a time, because the transaction that removes
// them holds up the publishers behind it.
//
// Pure but for the marks it reads. Thread: the loop.
#include "broker/config.h"
#include "broker/log/log_store.h"

namespace tocsin::broker {

/// Applies the count limit and the dedup window to a meta that has grown by one.
void limit_count(const Config& config, ChannelMeta& meta);
/// Gives up at most `at_most` stored rows that neither readers nor the dedup window need; how many.
Offset drop_rows(const Config& config, ChannelMeta& meta, Offset at_most);
/// Applies the limits by bytes and age to what is committed; true when `meta` changed. A mark that cannot be
/// read ends the search.
[[nodiscard]] bool limit_size_and_age(const Config& config, const LogStore& store, std::int64_t now_ms,
                                      Offset committed_last, ChannelMeta& meta);

}  // namespace tocsin::broker
