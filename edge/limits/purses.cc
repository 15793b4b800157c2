#include "edge/limits/purses.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace tocsin::edge {
namespace {

constexpr Millis kSweepEvery{5'000};
constexpr std::array<std::string_view, 3> kWhose{"a connection", "a subject", "a tenant"};

std::string key_of(Purses::Scope scope, std::string_view name) {
  std::string out(1, static_cast<char>('0' + static_cast<int>(scope)));
  return out.append(name);
}

Over over(Limit limit, Purses::Scope scope, const Allowance& allowance, double wait_s) {
  Over out{limit, static_cast<std::uint16_t>(std::clamp(std::ceil(wait_s), 1.0, 3'600.0)), {}};
  out.text = std::string(kWhose[static_cast<std::size_t>(scope)]) + " may send " +
             std::to_string(std::llround(allowance.per_second)) + " " + std::string(name_of(limit)) +
             " a second";
  return out;
}

}  // namespace

void Purses::configure() {
  rates_[0] =
      rates(config_.client_messages_per_s, config_.client_publishes_per_s, config_.client_bytes_per_s);
  rates_[1] =
      rates(config_.subject_messages_per_s, config_.subject_publishes_per_s, config_.subject_bytes_per_s);
  rates_[2] =
      rates(config_.tenant_messages_per_s, config_.tenant_publishes_per_s, config_.tenant_bytes_per_s);
  on_ = std::any_of(std::begin(rates_), std::end(rates_), [](const Rates& r) {
    return r.messages.per_second > 0 || r.publishes.per_second > 0 || r.bytes.per_second > 0;
  });
}

Purses::Rates Purses::rates(std::int64_t messages, std::int64_t publishes, std::int64_t bytes) const {
  const double seconds = static_cast<double>(config_.rate_burst.count()) / 1'000.0;
  const auto one = [&](std::int64_t per_second) {
    const auto rate = static_cast<double>(per_second);
    return Allowance{rate, std::max(1.0, rate * seconds)};
  };
  return {one(messages), one(publishes), one(bytes)};
}

Purses::Shared* Purses::pick_up(Scope scope, std::string_view name) {
  if (name.empty()) return nullptr;
  const auto [it, made] = shared_.try_emplace(key_of(scope, name));
  Shared& shared = it->second;
  if (made) {
    shared.scope = scope;
    shared.name = name;
  } else if (shared.users == 0) {
    --unused_;
  }
  ++shared.users;
  return &shared;
}

void Purses::put_down(Shared* shared) {
  if (shared == nullptr || --shared->users > 0) return;
  if (unused_ >= static_cast<std::size_t>(config_.sources_max) || at_rest(*shared))
    shared_.erase(key_of(shared->scope, shared->name));
  else
    ++unused_;
}

bool Purses::at_rest(Shared& shared) {
  const Instant now = clock_.steady();
  const Rates& r = rates_[static_cast<std::size_t>(shared.scope)];
  return shared.purse.messages.at_rest(now, r.messages) && shared.purse.publishes.at_rest(now, r.publishes) &&
         shared.purse.bytes.at_rest(now, r.bytes);
}

std::optional<Over> Purses::short_of(Purse& purse, Scope scope, const Load& load) {
  const Instant now = clock_.steady();
  const Rates& r = rates_[static_cast<std::size_t>(scope)];
  if (load.messages > 0 && !purse.messages.has(now, r.messages, load.messages))
    return over(Limit::messages, scope, r.messages, purse.messages.wait_s(r.messages, load.messages));
  if (load.publishes > 0 && !purse.publishes.has(now, r.publishes, load.publishes))
    return over(Limit::publishes, scope, r.publishes, purse.publishes.wait_s(r.publishes, load.publishes));
  if (load.bytes > 0 && !purse.bytes.has(now, r.bytes, load.bytes))
    return over(Limit::bytes, scope, r.bytes, purse.bytes.wait_s(r.bytes, load.bytes));
  return {};
}

void Purses::take(Purse& purse, Scope scope, const Load& load) {
  const Instant now = clock_.steady();
  const Rates& r = rates_[static_cast<std::size_t>(scope)];
  if (load.messages > 0) purse.messages.take(now, r.messages, load.messages);
  if (load.publishes > 0) purse.publishes.take(now, r.publishes, load.publishes);
  if (load.bytes > 0) purse.bytes.take(now, r.bytes, load.bytes);
}

std::optional<Over> Purses::spend(const Payers& payers, const Load& load) {
  if (!on_) return {};
  if (payers.tenant != nullptr)
    if (auto over = short_of(payers.tenant->purse, Scope::tenant, load)) return over;
  if (payers.subject != nullptr)
    if (auto over = short_of(payers.subject->purse, Scope::subject, load)) return over;
  if (payers.client != nullptr) {
    if (auto over = short_of(*payers.client, Scope::client, load)) return over;
    take(*payers.client, Scope::client, load);
  }
  if (payers.subject != nullptr) take(payers.subject->purse, Scope::subject, load);
  if (payers.tenant != nullptr) take(payers.tenant->purse, Scope::tenant, load);
  return {};
}

void Purses::tick() {
  const Instant now = clock_.steady();
  if (unused_ == 0 || now < sweep_at_) return;
  sweep_at_ = now + kSweepEvery;
  for (auto it = shared_.begin(); it != shared_.end();) {
    if (it->second.users > 0 || !at_rest(it->second)) {
      ++it;
      continue;
    }
    --unused_;
    it = shared_.erase(it);
  }
}

}  // namespace tocsin::edge
