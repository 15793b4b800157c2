#pragma once
// Resolver: the addresses behind a host's name, asked of the system (hosts file, DNS) on another thread.
//
// Invariant: each resolve() is answered exactly once, at once or on a later turn, unless the Resolver is
// destroyed first. A question that the system is busy with delays the end of its Loop: how long, RES_OPTIONS
// says. Thread: the loop's.
#include <functional>
#include <string>
#include <unordered_set>
#include <vector>

#include "common/loop/loop.h"
#include "common/result.h"

namespace tocsin::loop {

class Resolver {
 public:
  using Done = std::function<void(const Result<std::vector<std::string>>& addresses)>;

  explicit Resolver(Loop& loop) : loop_(loop) {}
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  /// At least one, IPv4 and IPv6, in numbers, each once, in order; an address is its own. Fails (through
  /// `done`) with not_found: the name has none; or unavailable: nobody could be asked just now.
  void resolve(const std::string& host, Done done);

 private:
  struct Question;
  Loop& loop_;
  std::unordered_set<Question*> open_;  // each frees itself when it is answered
};

}  // namespace tocsin::loop
