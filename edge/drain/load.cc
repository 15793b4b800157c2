#include "edge/drain/load.h"

#include <algorithm>

namespace tocsin::edge {
namespace {

/// Handshakes of a second that are taken as the most where nothing limits them.
constexpr std::int64_t kUnlimited = 10'000;
/// Above this nobody is to be sent here: the clients that are here come first.
constexpr std::int64_t kFull = 950;

std::int64_t permille(std::int64_t used, std::int64_t of) { return of <= 0 ? 0 : used * 1'000 / of; }

}  // namespace

bool LoadMeter::sample(const Sample& now) {
  if (last_.at == Instant{}) {
    last_ = now;
    last_.at = now.at - kPeriod;  // the first figures at once: nothing was used yet
  } else if (now.at - last_.at < kPeriod) {
    return false;
  }
  const std::int64_t ms = std::max<std::int64_t>((now.at - last_.at).count(), 1);
  const std::int64_t most = limits_.handshakes_per_s > 0 ? limits_.handshakes_per_s : kUnlimited;
  const std::int64_t handshakes = (now.handshakes - last_.handshakes) * 1'000 / ms;
  const std::int64_t cpu = permille(now.cpu_us - last_.cpu_us, ms * 1'000);
  const std::int64_t used = std::max({cpu, permille(handshakes, most), permille(now.joining, kJoiningBound)});
  const std::int64_t load = std::clamp<std::int64_t>(used, 0, 1'000);
  const std::int64_t places = std::max<std::int64_t>(limits_.clients_max - now.clients, 0);
  load_ = static_cast<std::uint32_t>(load);
  cpu_permille_ = static_cast<std::uint32_t>(std::max<std::int64_t>(cpu, 0));
  handshakes_per_s_ = static_cast<std::uint32_t>(std::max<std::int64_t>(handshakes, 0));
  take_per_s_ =
      static_cast<std::uint32_t>(load >= kFull ? 0 : std::min(places, most * (1'000 - load) / 1'000));
  last_ = now;
  return true;
}

}  // namespace tocsin::edge
