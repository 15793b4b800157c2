#pragma once
// Roster: at which URLs edges are, and which edge is at each. URLs come from lookups of the addresses that
// were given; an edge's name is what the edge says. Pure.
//
// Invariant: an edge that is known stays known while a lookup has its URL, or it answers, and for kForget
// after that; a lookup that fails for now changes nothing. Thread: the supervisor's loop.
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/result.h"
#include "ops/supervisor/members/address.h"

namespace tocsin::ops::members {

/// What an edge's name may be here: it becomes part of file names and paths.
[[nodiscard]] bool fits_edge(std::string_view name);

class Roster {
 public:
  static constexpr Millis kForget{10'000};

  struct Seat {
    std::string edge;           ///< empty: nobody has told yet
    std::uint64_t started = 0;  ///< of its process, as it says
    bool listed = false;        ///< the last lookups have it
    std::optional<Instant> gone;
  };
  using Urls = std::set<std::string>;

  /// What is not among `addresses` any more is forgotten at once.
  void configure(std::vector<Address> addresses);
  /// Edges that an earlier supervisor knew, by URL.
  void remember(const std::map<std::string, std::string>& edges);
  /// A lookup of the address with this text was answered. A name that has no address has no edges.
  void found(const std::string& address, const Result<Urls>& urls);
  /// Who is at `url` said so.
  void heard(const std::string& url, const std::string& edge, std::uint64_t started);
  /// Forgets; the names of edges that are not known any more.
  std::vector<std::string> tick(Instant now, const std::function<bool(const std::string& url)>& answers);

  [[nodiscard]] const std::vector<Address>& addresses() const noexcept { return addresses_; }
  /// Each address was looked up with success.
  [[nodiscard]] bool synced() const;
  [[nodiscard]] const std::map<std::string, Seat>& seats() const noexcept { return seats_; }
  /// The URL of each edge; of several the one that is listed, or else the first.
  [[nodiscard]] std::map<std::string, std::string> edges() const;
  /// By address or URL: names that do not resolve, and edges of one name that are two processes.
  [[nodiscard]] std::map<std::string, std::string> troubles() const;

 private:
  struct Lookup {
    std::optional<Urls> urls;  ///< of the last answer; none: there was none yet
    std::string trouble;
  };
  void list();

  std::vector<Address> addresses_;
  std::map<std::string, Lookup> lookups_;  ///< by the address' text
  std::map<std::string, Seat> seats_;      ///< by URL
};

}  // namespace tocsin::ops::members
