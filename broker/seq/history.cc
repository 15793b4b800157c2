#include "broker/seq/history.h"

#include <algorithm>

namespace tocsin::broker {
namespace {

constexpr Offset after_window(Offset last, std::int64_t keep) noexcept {
  const auto n = static_cast<Offset>(keep);
  return last >= n ? last - n + 1 : 1;
}

constexpr Offset kDropsPerAppend = 2;  // a log that is too long shrinks as fast as it grows

}  // namespace

void limit_count(const Config& config, ChannelMeta& meta) {
  meta.first = std::max(meta.first, after_window(meta.last, config.history_max_count));
  (void)drop_rows(config, meta, kDropsPerAppend);
}

Offset drop_rows(const Config& config, ChannelMeta& meta, Offset at_most) {
  const Offset wanted = std::min(meta.first, after_window(meta.last, config.dedup_window));
  if (wanted <= meta.row_first) return 0;
  const Offset dropped = std::min(wanted - meta.row_first, at_most);
  meta.row_first += dropped;
  return dropped;
}

bool limit_size_and_age(const Config& config, const LogStore& store, std::int64_t now_ms,
                        Offset committed_last, ChannelMeta& meta) {
  const Offset before = meta.first;
  const std::int64_t oldest_ms = now_ms - config.history_max_age_s * 1'000;
  // The marks grow with the offset, so the first row to keep is found by bisection.
  Offset low = meta.first;
  Offset high = committed_last + 1;
  while (low < high) {
    const Offset middle = low + (high - low) / 2;
    const auto mark = store.mark(meta.id, middle);
    if (!mark) return false;
    const bool too_much =
        meta.bytes_total - mark->bytes_total >= static_cast<std::uint64_t>(config.history_max_bytes);
    if (too_much || mark->stored_ms < oldest_ms) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  meta.first = std::max(meta.first, low);
  return meta.first != before;
}

}  // namespace tocsin::broker
