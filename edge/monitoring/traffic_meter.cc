#include "edge/monitoring/traffic_meter.h"

#include <ctime>

namespace tocsin::edge {
namespace {

/// What `count` grew by since `period` began.
std::uint64_t since(std::uint64_t& period, std::uint64_t now, std::uint64_t& before, std::uint64_t count) {
  if (period == 0) period = now;  // all there is happened now
  if (period != now) period = now, before = count;
  return count - before;
}

}  // namespace

std::uint64_t local_day(std::int64_t wall_ms) {
  const std::time_t seconds = wall_ms / 1'000;
  std::tm parts{};
  ::localtime_r(&seconds, &parts);
  return static_cast<std::uint64_t>((parts.tm_year + 1'900) * 10'000 + (parts.tm_mon + 1) * 100 +
                                    parts.tm_mday);
}

link::Traffic TrafficMeter::read(std::int64_t wall_ms, std::uint64_t day, const Lifetimes& lifetimes) {
  constexpr std::int64_t kMinute = 60'000;
  link::Traffic out;
  out.opened = static_cast<std::uint64_t>(metrics_.opened.value());
  out.sent = static_cast<std::uint64_t>(metrics_.sent_frames());
  out.received = static_cast<std::uint64_t>(metrics_.received.value());
  out.opened_today = since(day_, day, opened_before_, out.opened);
  out.day = day_;
  out.sent_in_minute = since(minute_, static_cast<std::uint64_t>(wall_ms / kMinute), sent_before_, out.sent);
  out.minute = minute_;
  out.lasted_ms = static_cast<std::uint64_t>(lifetimes.sum_ms());
  out.lasted_count = lifetimes.count();
  return out;
}

}  // namespace tocsin::edge
