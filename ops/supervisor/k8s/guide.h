#pragma once
// Guide: what a supervisor does about pods that Kubernetes starts and stops by itself (an autoscaler, a
// rollout, an eviction): tells those that are being stopped whither their clients go, and gives those that
// came their share. Pure. Thread: the supervisor's loop.
#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/clock.h"

namespace tocsin::ops::k8s {

/// One edge, as far as this concerns it.
struct Stand {
  std::string name;
  std::string uid;
  bool leaving = false;   ///< terminating, or about to be: its ordinal is not wanted any more
  bool newest = true;     ///< of the revision that pods are made from now
  bool takes = false;     ///< takes clients
  bool heard = false;     ///< answers
  bool starting = false;  ///< wanted, and not there yet
  std::uint64_t clients = 0;
};

/// Whither the clients of `of` go: to those that stay; of these to those of the newest revision as soon as
/// there is one, since the older ones will be stopped in their turn. Empty: nobody is there, the edge waits.
[[nodiscard]] std::vector<std::string> targets_of(const Stand& of, const std::vector<Stand>& all);

/// Orders to those that leave: again when the targets have changed, or the edge did not take the order.
class Leavers {
 public:
  static constexpr Millis kAgain{1'000};

  struct Order {
    std::string edge;
    std::string id;
    std::vector<std::string> targets;
  };
  [[nodiscard]] std::vector<Order> due(const std::vector<Stand>& all, Instant now);
  /// The edge took the order with these targets.
  void took(const std::string& id, const std::vector<std::string>& targets);

 private:
  struct Told {
    std::vector<std::string> targets;
    Instant asked{};
    bool took = false;
  };
  std::map<std::string, Told> told_;  ///< by id of the order
};

/// Whether clients are to be spread anew because edges have come. To a supervisor that takes over all have:
/// the one before may have died just then.
class Newcomers {
 public:
  static constexpr Millis kCalm{2'000};       ///< since the last one came: several come together
  static constexpr Millis kPatience{60'000};  ///< with others that do not start

  /// True once for each set of newcomers, when nothing leaves, starts or is to be replaced.
  [[nodiscard]] bool due(const std::vector<Stand>& all, Instant now);
  /// These have their share, or had their chance.
  void settled(const std::vector<Stand>& all);

 private:
  std::set<std::string> known_;  ///< uids
  std::set<std::string> seen_;
  Instant changed_{};
};

}  // namespace tocsin::ops::k8s
