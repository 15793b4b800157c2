#pragma once
// Limits: how much clients may ask of an edge and of the cluster, by address, subject and tenant; who asks
// too often is banned for a while. The settings limits.* say how much; all of them 0, it says yes to
// everything.
//
//   a socket:   arrive() --> (request) --> leave()            by address: sockets, attempts, bans
//   a client:   seat() --introduce()--> admit() | enter() --vacate()--> unseat()
//               by slot; between admit() and vacate() its session is counted, here and in the cluster
//   a message:  message(), publish(); HTTP: ask(), publish()
//
// Invariant: a session is counted once. One that comes with a ticket is counted elsewhere until it is
// claimed: it enter()s without question, and vacate()s its former place when that is fenced.
//
// Each refusal is counted, is an offence of its address, and goes into the audit log. Nothing here is on the
// path of updates. Thread: the loop.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/net/ip.h"
#include "common/result.h"
#include "edge/config.h"
#include "edge/limits/census.h"
#include "edge/limits/limit.h"
#include "edge/limits/purses.h"
#include "edge/limits/sources.h"
#include "edge/metrics.h"

namespace tocsin::edge {

class Limits {
 public:
  Limits(const Config& config, const Clock& clock, std::uint64_t seed, Metrics& metrics);

  /// What speaks against these settings: invalid_argument.
  static Status check(const Config& next);
  /// Reads limits.exempt and the rates. Fails with invalid_argument, and then changes nothing.
  Status configure();
  /// Clients are moving between edges now: those that come may be counted elsewhere, which only their ticket
  /// will tell.
  void moving_while(std::function<bool()> moving) { moving_ = std::move(moving); }

  // ---- sockets
  struct Arrival {
    std::optional<Over> over;  ///< to be answered when it asks for something
    bool drop = false;         ///< to be closed unanswered
    bool counted = false;      ///< leave() is owed
  };
  Arrival arrive(const net::IpAddress& from);
  void leave(const net::IpAddress& from) { sources_.leave(from); }
  /// What speaks against a request of this address: a ban.
  std::optional<Over> look(const net::IpAddress& from);
  /// What speaks against a connection that stays, by what the cluster has.
  std::optional<Over> cluster_room(const net::IpAddress& from);
  /// It did what an honest client does not, or not often: `why` for the audit log of a ban.
  void offend(const net::IpAddress& from, std::string_view why);

  // ---- clients
  void seat(std::uint32_t slot, const net::IpAddress& from);
  void unseat(std::uint32_t slot);
  /// Its token is known, or a new one.
  void introduce(std::uint32_t slot, std::string_view subject, std::string_view tenant);
  /// A new session: counted unless a limit speaks against it.
  std::optional<Over> admit(std::uint32_t slot);
  /// The same before there is a client.
  std::optional<Over> room(const net::IpAddress& from, std::string_view subject);
  /// A session that is taken over: counted, whatever the limits.
  void enter(std::uint32_t slot);
  /// The session lives elsewhere now; its socket may stay.
  void vacate(std::uint32_t slot);
  [[nodiscard]] net::IpAddress address_of(std::uint32_t slot) const;
  [[nodiscard]] std::string_view subject_of(std::uint32_t slot) const;

  // ---- what they send
  [[nodiscard]] bool meters() const noexcept { return purses_.on(); }
  std::optional<Over> message(std::uint32_t slot, std::size_t bytes) {
    return meters() ? spend(slot, {1, 0, static_cast<double>(bytes)}) : std::nullopt;
  }
  std::optional<Over> publish(std::uint32_t slot) { return meters() ? spend(slot, {0, 1, 0}) : std::nullopt; }
  /// Bytes a second are limited, so control frames are looked at too: now and then, by flooded().
  [[nodiscard]] bool watches_bytes() const noexcept { return config_.client_bytes_per_s > 0; }
  /// Whether more has come on its socket since the last question than it may send in that time: pings, say.
  std::optional<Over> flooded(std::uint32_t slot, std::uint64_t received);
  /// One published over HTTP: anonymous ones are their address's.
  std::optional<Over> publish(const net::IpAddress& from, std::string_view subject, std::string_view tenant,
                              std::size_t bytes);
  /// One question over HTTP: a message. Its client is the subject, or the address of who has none.
  std::optional<Over> ask(const net::IpAddress& from, std::string_view subject, std::string_view tenant,
                          std::size_t bytes);
  /// A limit on what it sends or subscribes to was reached: counted, and no offence as long as the client is
  /// not closed for it.
  void reached(std::uint32_t slot, Limit limit, std::string_view why);

  // ---- the cluster
  void told(const link::CountsTold& message) { census_.told(message); }
  /// What the broker is to be told; nothing when it knows. `whole`: it knows nothing.
  std::optional<link::CountsReport> report(bool whole);
  void unsaid(const link::CountsReport& report) {
    limits_told_ = false;
    census_.unsaid(report);
  }
  void tick();

 private:
  struct Seat {
    net::IpAddress from;
    Purse purse;
    Purses::Shared* subject = nullptr;
    Purses::Shared* tenant = nullptr;
    std::uint64_t received = 0;  ///< on its socket, at `looked`
    Instant looked{};
    Instant told{};  ///< a limit on messages, to the audit log
    bool taken = false;
    bool counted = false;
  };
  Seat* find(std::uint32_t slot) {
    return slot < seats_.size() && seats_[slot].taken ? &seats_[slot] : nullptr;
  }
  std::optional<Over> spend(std::uint32_t slot, const Load& load);
  std::optional<Over> no_room(const net::IpAddress& from, std::string_view subject, std::uint32_t sessions);
  void count(Seat& seat);
  void uncount(Seat& seat);
  void refused(Limit limit, const net::IpAddress& from, std::string_view who, std::string_view why);
  [[nodiscard]] bool exempt(const net::IpAddress& from) const noexcept { return exempt_.contains(from); }

  const Config& config_;
  const Clock& clock_;
  Metrics& metrics_;
  net::Networks exempt_;
  Sources sources_;
  Purses purses_;
  Census census_;
  std::vector<Seat> seats_;
  std::function<bool()> moving_ = [] { return false; };
  bool had_census_ = false;
  bool limits_told_ = false;  ///< to the broker, as they are now
};

}  // namespace tocsin::edge
