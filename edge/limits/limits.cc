#include "edge/limits/limits.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "common/log/audit.h"
#include "common/log/log.h"

namespace tocsin::edge {
namespace {

constexpr std::uint16_t kComeBack = 5;
constexpr Millis kTellEvery{1'000};

std::string text_of(Limit limit) {
  switch (limit) {
    case Limit::banned:
      return "this address asked for too much too often, and is not served for a while";
    case Limit::attempts:
      return "too many connection attempts from this address";
    case Limit::ip_connections:
      return "too many connections from this address";
    case Limit::subject_connections:
      return "too many connections of this subject";
    case Limit::cluster_connections:
      return "the cluster has as many connections as it takes";
    case Limit::cluster_ip_connections:
      return "too many connections from this address to the cluster";
    case Limit::cluster_subject_connections:
      return "too many connections of this subject to the cluster";
    default:
      return std::string(name_of(limit));
  }
}

Over over(Limit limit, std::uint16_t retry_after_s = kComeBack) {
  return {limit, retry_after_s, text_of(limit)};
}

bool reached_by(std::uint64_t count, std::int64_t limit) {
  return limit > 0 && count >= static_cast<std::uint64_t>(limit);
}

}  // namespace

Limits::Limits(const Config& config, const Clock& clock, std::uint64_t seed, Metrics& metrics)
    : config_(config),
      clock_(clock),
      metrics_(metrics),
      sources_(config, clock, seed),
      purses_(config, clock),
      census_(config) {}

Status Limits::check(const Config& next) {
  if (auto exempt = net::Networks::parse(next.limits_exempt); !exempt)
    return Error{Errc::invalid_argument, "limits.exempt: " + exempt.error().detail};
  return Done{};
}

Status Limits::configure() {
  auto exempt = net::Networks::parse(config_.limits_exempt);
  if (!exempt) return Error{Errc::invalid_argument, "limits.exempt: " + exempt.error().detail};
  exempt_ = *std::move(exempt);
  purses_.configure();
  const bool census = census_.on();
  if (census && !had_census_) {  // nobody was counted until now
    for (auto& seat : seats_) {
      if (!seat.taken || !seat.counted) continue;
      census_.enter(Census::everybody());
      census_.enter(Census::ip_key(sources_.key_of(seat.from).text()));
      if (seat.subject != nullptr) census_.enter(Census::subject_key(seat.subject->name));
    }
  } else if (!census) {
    census_.reset();
  }
  had_census_ = census;
  limits_told_ = false;
  return Done{};
}

void Limits::refused(Limit limit, const net::IpAddress& from, std::string_view who, std::string_view why) {
  metrics_.limited[limit].add();
  const std::string address = from.text();
  log::audit(
      {.action = "refuse", .outcome = name_of(limit), .who = who, .from = address, .what = "", .why = why});
  // What the cluster has too much of is not this address's doing.
  if (limit != Limit::banned && limit != Limit::cluster_connections) offend(from, name_of(limit));
}

void Limits::offend(const net::IpAddress& from, std::string_view why) {
  if (exempt(from) || !sources_.offend(from)) return;
  metrics_.bans.add();
  const std::string address = sources_.key_of(from).text();
  log::warn("an address is banned for a while",
            {{"from", address}, {"ms", config_.ban.count()}, {"last", why}});
  log::audit({.action = "ban", .outcome = "ok", .who = "", .from = address, .what = "", .why = why});
}

Limits::Arrival Limits::arrive(const net::IpAddress& from) {
  if (exempt(from)) return {};
  const auto verdict = sources_.arrive(from);
  Arrival out{{}, verdict.drop, verdict.counted};
  if (!verdict.over) return out;
  out.over = over(*verdict.over, verdict.retry_after_s);
  refused(*verdict.over, from, {}, out.over->text);
  return out;
}

std::optional<Over> Limits::look(const net::IpAddress& from) {
  if (exempt(from)) return {};
  const auto verdict = sources_.look(from);
  if (!verdict.over) return {};
  auto out = over(*verdict.over, verdict.retry_after_s);
  refused(out.limit, from, {}, out.text);
  return out;
}

/// Who comes now may have been counted elsewhere until a moment ago, or still be: its first frame will tell.
std::optional<Over> Limits::cluster_room(const net::IpAddress& from) {
  if (!census_.on() || moving_()) return {};
  auto out = no_room(from, {}, 0);
  if (out) refused(out->limit, from, {}, out->text);
  return out;
}

std::optional<Over> Limits::no_room(const net::IpAddress& from, std::string_view subject,
                                    std::uint32_t sessions) {
  if (!subject.empty() && reached_by(sessions, config_.connections_per_subject))
    return over(Limit::subject_connections);
  if (!census_.on() || exempt(from)) return {};
  if (reached_by(census_.count(Census::everybody()), config_.cluster_connections))
    return over(Limit::cluster_connections);
  if (config_.cluster_connections_per_ip > 0 &&
      reached_by(census_.count(Census::ip_key(sources_.key_of(from).text())),
                 config_.cluster_connections_per_ip))
    return over(Limit::cluster_ip_connections);
  if (!subject.empty() &&
      reached_by(census_.count(Census::subject_key(subject)), config_.cluster_connections_per_subject))
    return over(Limit::cluster_subject_connections);
  return {};
}

void Limits::seat(std::uint32_t slot, const net::IpAddress& from) {
  if (seats_.size() <= slot) seats_.resize(slot + 1);
  unseat(slot);
  seats_[slot].from = from;
  seats_[slot].taken = true;
}

void Limits::unseat(std::uint32_t slot) {
  Seat* seat = find(slot);
  if (seat == nullptr) return;
  uncount(*seat);
  purses_.put_down(seat->subject);
  purses_.put_down(seat->tenant);
  *seat = Seat{};
}

void Limits::introduce(std::uint32_t slot, std::string_view subject, std::string_view tenant) {
  Seat* seat = find(slot);
  if (seat == nullptr) return;
  const bool counted = seat->counted;
  uncount(*seat);
  purses_.put_down(seat->subject);
  purses_.put_down(seat->tenant);
  seat->subject = purses_.pick_up(Purses::Scope::subject, subject);
  seat->tenant = purses_.pick_up(Purses::Scope::tenant, tenant);
  if (counted) count(*seat);
}

void Limits::count(Seat& seat) {
  if (std::exchange(seat.counted, true)) return;
  if (seat.subject != nullptr) ++seat.subject->sessions;
  if (!census_.on()) return;
  census_.enter(Census::everybody());
  census_.enter(Census::ip_key(sources_.key_of(seat.from).text()));
  if (seat.subject != nullptr) census_.enter(Census::subject_key(seat.subject->name));
}

void Limits::uncount(Seat& seat) {
  if (!std::exchange(seat.counted, false)) return;
  if (seat.subject != nullptr) --seat.subject->sessions;
  if (!census_.on()) return;
  census_.leave(Census::everybody());
  census_.leave(Census::ip_key(sources_.key_of(seat.from).text()));
  if (seat.subject != nullptr) census_.leave(Census::subject_key(seat.subject->name));
}

std::optional<Over> Limits::admit(std::uint32_t slot) {
  Seat* seat = find(slot);
  if (seat == nullptr || seat->counted) return {};
  const auto* subject = seat->subject;
  auto out = no_room(seat->from, subject != nullptr ? std::string_view(subject->name) : std::string_view(),
                     subject != nullptr ? subject->sessions : 0);
  if (out)
    refused(out->limit, seat->from, subject_of(slot), out->text);
  else
    count(*seat);
  return out;
}

std::optional<Over> Limits::room(const net::IpAddress& from, std::string_view subject) {
  Purses::Shared* known = purses_.pick_up(Purses::Scope::subject, subject);
  auto out = no_room(from, subject, known != nullptr ? known->sessions : 0);
  purses_.put_down(known);
  if (out) refused(out->limit, from, subject, out->text);
  return out;
}

void Limits::enter(std::uint32_t slot) {
  if (Seat* seat = find(slot)) count(*seat);
}

void Limits::vacate(std::uint32_t slot) {
  if (Seat* seat = find(slot)) uncount(*seat);
}

net::IpAddress Limits::address_of(std::uint32_t slot) const {
  return slot < seats_.size() ? seats_[slot].from : net::IpAddress{};
}

std::string_view Limits::subject_of(std::uint32_t slot) const {
  return slot < seats_.size() && seats_[slot].subject != nullptr
             ? std::string_view(seats_[slot].subject->name)
             : std::string_view{};
}

std::optional<Over> Limits::spend(std::uint32_t slot, const Load& load) {
  Seat* seat = find(slot);
  if (seat == nullptr || exempt(seat->from)) return {};
  auto out = purses_.spend({&seat->purse, seat->subject, seat->tenant}, load);
  if (out) reached(slot, out->limit, out->text);
  return out;
}

std::optional<Over> Limits::flooded(std::uint32_t slot, std::uint64_t received) {
  Seat* seat = find(slot);
  if (seat == nullptr || exempt(seat->from)) return {};
  const Instant now = clock_.steady();
  const auto before = std::exchange(seat->looked, now);
  const std::uint64_t more = received - std::min(std::exchange(seat->received, received), received);
  if (before == Instant{}) return {};
  const double seconds = std::chrono::duration<double>(now - before + config_.rate_burst).count();
  if (static_cast<double>(more) <= seconds * static_cast<double>(config_.client_bytes_per_s)) return {};
  Over out{Limit::bytes, kComeBack, "more was sent than limits.client_bytes_per_s, control frames counted"};
  reached(slot, out.limit, out.text);
  return out;
}

/// Told to the audit log once a second and client: who sends too much does so many times.
void Limits::reached(std::uint32_t slot, Limit limit, std::string_view why) {
  metrics_.limited[limit].add();
  Seat* seat = find(slot);
  if (seat == nullptr || (seat->told != Instant{} && clock_.steady() - seat->told < kTellEvery)) return;
  seat->told = clock_.steady();
  const std::string address = seat->from.text();
  log::audit({.action = "refuse",
              .outcome = name_of(limit),
              .who = subject_of(slot),
              .from = address,
              .what = "",
              .why = why});
}

std::optional<Over> Limits::publish(const net::IpAddress& from, std::string_view subject,
                                    std::string_view tenant, std::size_t bytes) {
  if (!meters() || exempt(from)) return {};
  auto* whose = purses_.pick_up(Purses::Scope::subject, subject);
  auto* tenants = purses_.pick_up(Purses::Scope::tenant, tenant);
  auto* address =
      subject.empty() ? purses_.pick_up(Purses::Scope::client, sources_.key_of(from).text()) : nullptr;
  auto out = purses_.spend({address != nullptr ? &address->purse : nullptr, whose, tenants},
                           {1, 1, static_cast<double>(bytes)});
  for (auto* used : {whose, tenants, address}) purses_.put_down(used);
  if (out) refused(out->limit, from, subject, out->text);
  return out;
}

std::optional<Over> Limits::ask(const net::IpAddress& from, std::string_view subject, std::string_view tenant,
                                std::size_t bytes) {
  if (!meters() || exempt(from)) return {};
  // No address begins with a space.
  const std::string name = subject.empty() ? sources_.key_of(from).text() : " " + std::string(subject);
  auto* client = purses_.pick_up(Purses::Scope::client, name);
  auto* whose = purses_.pick_up(Purses::Scope::subject, subject);
  auto* tenants = purses_.pick_up(Purses::Scope::tenant, tenant);
  auto out = purses_.spend({&client->purse, whose, tenants}, {1, 0, static_cast<double>(bytes)});
  for (auto* used : {client, whose, tenants}) purses_.put_down(used);
  if (out) refused(out->limit, from, subject, out->text);
  return out;
}

std::optional<link::CountsReport> Limits::report(bool whole) {
  if (!census_.on() || (!whole && limits_told_ && !census_.changed())) return {};
  limits_told_ = true;
  return census_.report(whole);
}

void Limits::tick() {
  purses_.tick();
  metrics_.sources.set(static_cast<std::int64_t>(sources_.size()));
}

}  // namespace tocsin::edge
