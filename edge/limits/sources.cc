#include "edge/limits/sources.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace tocsin::edge {
namespace {

constexpr unsigned kBits = 128;
/// Answers a second to a source that is over its limits, before its sockets are closed unanswered.
constexpr Allowance kAnswers{.per_second = 5, .burst = 20};
/// Sources looked at for one that may be forgotten.
constexpr int kLooks = 16;
constexpr std::uint16_t kLongestWait = 3'600;

std::uint16_t seconds(double s) {
  return static_cast<std::uint16_t>(std::clamp(std::ceil(s), 1.0, static_cast<double>(kLongestWait)));
}

Allowance over_window(std::int64_t count, Millis window) {
  return {
      static_cast<double>(count) * 1'000.0 / static_cast<double>(std::max<std::int64_t>(window.count(), 1)),
      static_cast<double>(count)};
}

std::uint64_t mix(std::uint64_t x) noexcept {
  x ^= x >> 32U;
  x *= 0xd6e8feb86659fd93U;
  x ^= x >> 32U;
  x *= 0xd6e8feb86659fd93U;
  return x ^ (x >> 32U);
}

}  // namespace

std::size_t Sources::Hash::operator()(const net::IpAddress& key) const noexcept {
  std::uint64_t halves[2];
  std::memcpy(halves, key.bytes().data(), sizeof halves);
  return static_cast<std::size_t>(mix(mix(halves[0] ^ seed) + halves[1]));
}

Sources::Sources(const Config& config, const Clock& clock, std::uint64_t seed)
    : config_(config), clock_(clock), table_(0, Hash{seed}) {}

net::IpAddress Sources::key_of(const net::IpAddress& from) const noexcept {
  return from.is_v4() ? from : from.prefix(static_cast<unsigned>(config_.ipv6_prefix));
}

bool Sources::watching() const noexcept {
  return config_.connections_per_ip > 0 || config_.attempts_per_ip > 0 || config_.ban_after > 0;
}

Sources::Source* Sources::find(const net::IpAddress& from) {
  const auto it = table_.find(key_of(from));
  if (it == table_.end()) return nullptr;
  recent_.splice(recent_.begin(), recent_, it->second);
  return &*it->second;
}

Sources::Source& Sources::of(const net::IpAddress& from) {
  if (Source* known = find(from)) return *known;
  if (table_.size() >= static_cast<std::size_t>(config_.sources_max)) make_room();
  recent_.emplace_front().key = key_of(from);
  table_.emplace(recent_.front().key, recent_.begin());
  return recent_.front();
}

/// Those with sockets are moved to the front on the way: they are as many as there are sockets at most.
void Sources::make_room() {
  const Instant now = clock_.steady();
  auto victim = recent_.end();
  for (int looks = 0; looks < kLooks && !recent_.empty(); ++looks) {
    const auto last = std::prev(recent_.end());
    if (last->sockets == 0) {
      victim = last;
      if (last->banned_until <= now) break;
    }
    recent_.splice(recent_.begin(), recent_, last);
  }
  if (victim == recent_.end()) return;
  table_.erase(victim->key);
  recent_.erase(victim);
}

std::uint16_t Sources::seconds_left(const Source& source) const {
  return seconds(std::chrono::duration<double>(source.banned_until - clock_.steady()).count());
}

Sources::Verdict Sources::arrive(const net::IpAddress& from) {
  if (!watching()) return {};
  const Instant now = clock_.steady();
  Source& source = of(from);
  Verdict out;
  const Allowance attempts = over_window(config_.attempts_per_ip, config_.attempts_window);
  if (source.banned_until > now) {
    out.over = Limit::banned;
    out.retry_after_s = seconds_left(source);
  } else if (!source.attempts.has(now, attempts)) {
    out.over = Limit::attempts;
    out.retry_after_s = seconds(source.attempts.wait_s(attempts));
  } else if (config_.connections_per_ip > 0 && source.sockets >= config_.connections_per_ip) {
    out.over = Limit::ip_connections;
    out.retry_after_s = 5;
  }
  if (!out.over) source.attempts.take(now, attempts);
  // An answer costs a handshake: who goes on all the same gets none.
  if (out.over && !source.refusals.has(now, kAnswers)) out.drop = true;
  if (out.over) source.refusals.take(now, {kAnswers.per_second, kAnswers.burst}, out.drop ? 0 : 1);
  if (!out.drop) ++source.sockets;
  out.counted = !out.drop;
  return out;
}

void Sources::leave(const net::IpAddress& from) {
  const auto it = table_.find(key_of(from));
  if (it != table_.end() && it->second->sockets > 0) --it->second->sockets;
}

Sources::Verdict Sources::look(const net::IpAddress& from) {
  if (table_.empty()) return {};
  Source* source = find(from);
  if (source == nullptr || source->banned_until <= clock_.steady()) return {};
  return {Limit::banned, seconds_left(*source), false, false};
}

bool Sources::offend(const net::IpAddress& from) {
  if (config_.ban_after <= 0) return false;
  const Instant now = clock_.steady();
  Source& source = of(from);
  if (source.banned_until > now) return false;
  const Allowance patience = over_window(config_.ban_after, config_.ban_window);
  source.offences.take(now, patience);
  if (source.offences.has(now, patience, 0.5)) return false;
  source.banned_until = now + config_.ban;
  source.offences = {};
  return true;
}

bool Sources::lift(const net::IpAddress& from) {
  Source* source = find(from);
  if (source == nullptr || source->banned_until <= clock_.steady()) return false;
  source->banned_until = {};
  return true;
}

std::size_t Sources::banned() const {
  const Instant now = clock_.steady();
  return static_cast<std::size_t>(
      std::count_if(recent_.begin(), recent_.end(), [&](const Source& s) { return s.banned_until > now; }));
}

}  // namespace tocsin::edge
