#pragma once
// Sources: what is known of the addresses that connect: open sockets, attempts, offences, bans. An IPv6
// client is its network (limits.ipv6_prefix), since it can pick any address in it.
//
// Invariant: at most limits.sources_max sources without an open socket are kept; the one unheard of for
// longest is forgotten first, one that is banned last. So whatever addresses come, memory is bounded by that
// and the number of sockets. Thread: the loop.
#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <unordered_map>

#include "common/clock.h"
#include "common/net/ip.h"
#include "common/token_bucket.h"
#include "edge/config.h"
#include "edge/limits/limit.h"

namespace tocsin::edge {

class Sources {
 public:
  /// `seed` keeps the places in the table from being guessed.
  Sources(const Config& config, const Clock& clock, std::uint64_t seed);

  struct Verdict {
    std::optional<Limit> over;
    std::uint16_t retry_after_s = 1;
    bool drop = false;     ///< too many were answered already: not counted as a socket
    bool counted = false;  ///< leave() is owed
  };
  /// One more socket of this source; it is counted unless it is dropped.
  Verdict arrive(const net::IpAddress& from);
  /// A counted socket is gone.
  void leave(const net::IpAddress& from);
  /// Whether it is banned now.
  [[nodiscard]] Verdict look(const net::IpAddress& from);
  /// It overdid something. True when it is banned from now on.
  bool offend(const net::IpAddress& from);
  [[nodiscard]] bool lift(const net::IpAddress& from);

  /// What limits count by.
  [[nodiscard]] net::IpAddress key_of(const net::IpAddress& from) const noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return table_.size(); }
  [[nodiscard]] std::size_t banned() const;

 private:
  struct Source {
    net::IpAddress key;
    std::uint32_t sockets = 0;
    TokenBucket attempts;
    TokenBucket refusals;  ///< answers given to one that is over its limit
    TokenBucket offences;
    Instant banned_until{};
  };
  struct Hash {
    std::uint64_t seed;
    std::size_t operator()(const net::IpAddress& key) const noexcept;
  };
  using Recent = std::list<Source>;  ///< newest first

  Source& of(const net::IpAddress& from);
  Source* find(const net::IpAddress& from);
  void make_room();
  [[nodiscard]] bool watching() const noexcept;
  [[nodiscard]] std::uint16_t seconds_left(const Source& source) const;

  const Config& config_;
  const Clock& clock_;
  Recent recent_;
  std::unordered_map<net::IpAddress, Recent::iterator, Hash> table_;
};

}  // namespace tocsin::edge
