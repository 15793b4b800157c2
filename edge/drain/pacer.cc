#include "edge/drain/pacer.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace tocsin::edge {
namespace {

constexpr Millis kAdjustEvery{1'000};
constexpr Millis kTick{100};
constexpr Millis kLongestPlan{600'000};
/// Tokens that a target may save up, in seconds of its rate: a pause is not made up for in a burst.
constexpr double kSaved = 0.2;
constexpr double kLeast = 1;  // allowance: a target that was full is tried again

bool digit(char c) noexcept { return c >= '0' && c <= '9'; }

std::string_view cut_run(std::string_view& text) {
  std::size_t end = 1;
  while (end < text.size() && digit(text[end]) == digit(text[0])) ++end;
  const auto run = text.substr(0, end);
  text.remove_prefix(end);
  return run;
}

bool names(const std::vector<std::string>& list, std::string_view id) {
  return std::find(list.begin(), list.end(), id) != list.end();
}

double headroom(const link::EdgeInfo& edge) {
  const double places = edge.clients_max == 0
                            ? 1.0
                            : 1.0 - static_cast<double>(edge.clients) / static_cast<double>(edge.clients_max);
  const double load = 1.0 - static_cast<double>(std::min<std::uint32_t>(edge.load, 1'000)) / 1'000.0;
  return std::max(places, 0.0) * std::max(load, 0.05);
}

}  // namespace

bool older_revision(std::string_view a, std::string_view b) noexcept {
  while (!a.empty() && !b.empty()) {
    auto left = cut_run(a), right = cut_run(b);
    if (digit(left[0]) && digit(right[0])) {
      left.remove_prefix(std::min(left.find_first_not_of('0'), left.size()));
      right.remove_prefix(std::min(right.find_first_not_of('0'), right.size()));
      if (left.size() != right.size()) return left.size() < right.size();
    }
    if (left != right) return left < right;
  }
  return a.empty() && !b.empty();
}

Pacer::Pacer(std::string self, const MoveOrder& order, Settings settings)
    : self_(std::move(self)),
      settings_(settings),
      cap_(order.rate),
      batch_(order.batch),
      only_(order.targets),
      exclude_(order.exclude) {}

bool Pacer::fit(const link::EdgeInfo& edge) const {
  if (edge.id == self_ || edge.state != "ready" || edge.weight == 0 || edge.endpoint.empty()) return false;
  if (names(exclude_, edge.id)) return false;
  return only_.empty() || names(only_, edge.id);
}

Pacer::Target& Pacer::entry(const link::EdgeInfo& edge) {
  for (auto& target : targets_)
    if (target.id == edge.id) return target;
  auto& made = targets_.emplace_back();
  made.id = edge.id;
  made.allowance = -1;  // set with the first factors
  return made;
}

void Pacer::set_factors(const std::vector<link::EdgeInfo>& edges) {
  // An older revision would be drained next itself: nobody moves twice. Who names targets means them.
  std::string_view newest;
  if (only_.empty())
    for (const auto& edge : edges)
      if (fit(edge) && older_revision(newest, edge.revision)) newest = edge.revision;
  double best = 0;
  for (const auto& edge : edges) {
    if (!fit(edge) || (only_.empty() && older_revision(edge.revision, newest))) continue;
    Target& target = entry(edge);
    target.there = true;
    target.endpoint = edge.endpoint;
    target.weight = edge.weight;
    target.take_per_s = edge.take_per_s;
    target.load = edge.load;
    target.factor = std::max(edge.weight * headroom(edge), 1e-6);
    best = std::max(best, target.factor);
  }
  for (auto& target : targets_)
    if (target.there) target.factor = best > 0 ? target.factor / best : 1;
}

void Pacer::observe(const std::vector<link::EdgeInfo>& edges, Instant now) {
  for (auto& target : targets_) target.there = false;
  set_factors(edges);
  std::erase_if(targets_, [](const Target& target) { return !target.there; });
  double shares = 0;
  for (const auto& target : targets_) shares += target.factor;
  for (auto& target : targets_)
    if (target.allowance < 0)
      target.allowance = std::max(settings_.start, (cap_ > 0 ? cap_ : settings_.wanted) / shares);
  if (adjusted_ == Instant{}) adjusted_ = now;
  if (now - adjusted_ >= kAdjustEvery) {
    adjusted_ = now;
    adjust();
  }
  set_rates();
}

void Pacer::adjust() {
  const bool capped = cap_ > 0 && rate() >= cap_ * 0.999;
  for (auto& target : targets_) {
    const Millis way{target.arrived == 0 ? 0 : target.arrived_ms / target.arrived};
    if (target.load > kFull || target.take_per_s == 0 || target.refused || way > kSlow)
      target.allowance = std::max(target.allowance / 2, kLeast);
    else if (target.load < kRoom && way < kSwift && !capped)
      target.allowance += settings_.step;
    target.refused = false;
    target.arrived = target.arrived_ms = 0;
  }
}

void Pacer::set_rates() {
  double sum = 0;
  double shares = 0;
  for (auto& target : targets_) {
    const double most = target.take_per_s;
    // Nothing is gained by an allowance that is never used; it would only take longer to halve.
    target.allowance = std::min(target.allowance, std::max(most / target.factor, kLeast));
    target.rate = std::min(target.allowance * target.factor, most);
    sum += target.rate;
    shares += target.factor;
  }
  if (hurry_ > 0) {
    for (auto& target : targets_) target.rate = hurry_ * target.factor / shares;
  } else if (cap_ > 0 && sum > cap_) {
    for (auto& target : targets_) target.rate *= cap_ / sum;
  }
}

void Pacer::refused(std::string_view id) {
  for (auto& target : targets_)
    if (target.id == id) {
      target.refused = true;
      target.tokens = 0;
    }
}

void Pacer::arrived(std::string_view id, Millis after) {
  for (auto& target : targets_) {
    if (target.id != id) continue;
    ++target.arrived;
    target.arrived_ms += std::max<std::int64_t>(after.count(), 0);
  }
}

void Pacer::advance(Millis time) {
  const double seconds = std::chrono::duration<double>(time).count();
  for (auto& target : targets_)
    target.tokens = std::min(target.tokens + target.rate * seconds, 1 + batch_ + target.rate * kSaved);
  blind_tokens_ =
      hurry_ > 0 && targets_.empty() ? std::min(blind_tokens_ + hurry_ * seconds, 1 + hurry_ * kSaved) : 0;
  double saved = 0;
  for (const auto& target : targets_) saved += std::max(target.tokens, 0.0);
  if (batch_ <= 0 || hurry_ > 0 || saved >= batch_) batch_open_ = true;
}

void Pacer::hurry(double per_second) {
  hurry_ = per_second;
  set_rates();
}

const Pacer::Target* Pacer::take() {
  if (!batch_open_) return nullptr;
  Target* best = nullptr;
  for (auto& target : targets_)
    if (target.tokens >= 1 && (best == nullptr || target.tokens > best->tokens)) best = &target;
  if (best != nullptr)
    best->tokens -= 1;
  else if (batch_ > 0)
    batch_open_ = false;  // the next ones together again
  return best;
}

bool Pacer::take_any() {
  if (take() != nullptr) return true;
  if (blind_tokens_ < 1) return false;
  blind_tokens_ -= 1;
  return true;
}

void Pacer::give_back(std::string_view id) {
  for (auto& target : targets_)
    if (target.id == id) target.tokens += 1;
}

double Pacer::rate() const {
  double sum = 0;
  for (const auto& target : targets_) sum += target.rate;
  return targets_.empty() ? hurry_ : sum;
}

const Pacer::Target* Pacer::find(std::string_view id) const {
  for (const auto& target : targets_)
    if (target.id == id) return &target;
  return nullptr;
}

Millis Pacer::expected(std::size_t count, Millis deadline) const {
  Pacer ahead = *this;
  if (ahead.rate() <= 0) {  // none takes any now: as if all would in a moment
    for (auto& target : ahead.targets_) target.take_per_s = UINT32_MAX;
    ahead.set_rates();
  }
  Millis passed{0};
  while (count > 0 && passed < std::min(deadline * 4 / 5, kLongestPlan)) {
    ahead.advance(kTick);
    passed += kTick;
    while (count > 0 && ahead.take() != nullptr) --count;
    if (passed.count() % kAdjustEvery.count() == 0) {
      ahead.adjust();
      ahead.set_rates();
    }
  }
  if (count == 0) return passed;
  if (passed >= deadline * 4 / 5) return deadline;
  const double rate = std::max(ahead.rate(), 0.001);
  return std::min(deadline,
                  passed + Millis{static_cast<std::int64_t>(1'000.0 * static_cast<double>(count) / rate)});
}

}  // namespace tocsin::edge
