#include "edge/drain/report.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "common/json/json.h"

namespace tocsin::edge {
namespace {

constexpr std::array<std::string_view, 6> kStates{"running", "paused",  "settling",
                                                  "done",    "aborted", "deadline"};

void number(std::string& out, std::string_view name, std::uint64_t value) {
  out.append(",\"").append(name).append("\":").append(std::to_string(value));
}

}  // namespace

std::string_view name_of(MoveState state) noexcept { return kStates[static_cast<std::size_t>(state)]; }

void Blackouts::add(Millis time) {
  if (time <= Millis{0}) {
    ++zeros_;
    return;
  }
  times_.push_back(static_cast<std::uint32_t>(std::min<std::int64_t>(time.count(), UINT32_MAX)));
  sorted_ = false;
}

std::int64_t Blackouts::percentile(unsigned percent) const {
  if (!sorted_) std::sort(times_.begin(), times_.end());
  sorted_ = true;
  const std::size_t all = zeros_ + times_.size();
  if (all == 0) return 0;
  const std::size_t rank = (all * percent + 99) / 100;  // from 1
  return rank <= zeros_ ? 0 : times_[rank - zeros_ - 1];
}

std::int64_t Blackouts::longest() const { return percentile(100); }

std::string report_json(const MoveReport& r) {
  std::string out = "{\"id\":" + json::quoted(r.id);
  out.append(",\"kind\":\"").append(r.kind == MoveKind::drain ? "drain" : "migrate").append("\",\"edge\":");
  json::append_quoted(out, r.edge);
  out.append(",\"state\":\"").append(name_of(r.state)).append("\"");
  number(out, "started_ms", static_cast<std::uint64_t>(r.started_ms));
  number(out, "planned_ms", static_cast<std::uint64_t>(r.planned_time.count()));
  number(out, "elapsed_ms", static_cast<std::uint64_t>(r.elapsed.count()));
  number(out, "planned", r.planned);
  number(out, "offered", r.offered);
  number(out, "migrated", r.migrated);
  number(out, "resumed", r.resumed);
  number(out, "resumed_snapshot", r.resumed_snapshot);
  number(out, "lost", r.lost);
  number(out, "closed", r.closed);
  number(out, "left", r.left);
  number(out, "returned", r.returned);
  number(out, "remaining", r.remaining);
  number(out, "duplicates_suppressed", r.duplicates);
  out.append(",\"blackout_ms\":{\"p50\":").append(std::to_string(r.blackouts.percentile(50)));
  out.append(",\"p99\":").append(std::to_string(r.blackouts.percentile(99)));
  out.append(",\"max\":").append(std::to_string(r.blackouts.longest())).append("}");
  number(out, "peak_handshakes_per_s", r.peak_per_s);
  number(out, "rate_per_s", static_cast<std::uint64_t>(std::llround(r.rate)));
  out.append(",\"targets\":{");
  for (bool first = true; const auto& [edge, count] : r.targets) {
    if (!std::exchange(first, false)) out.push_back(',');
    json::append_quoted(out, edge);
    out.append(":").append(std::to_string(count));
  }
  out.append("},\"paused_reason\":");
  json::append_quoted(out, r.paused);
  return out.append("}");
}

}  // namespace tocsin::edge
