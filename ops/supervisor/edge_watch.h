#pragma once
// EdgeWatch: what the edges say of themselves, asked over and over: readiness, state, clients, the report of
// their move. Says to an edge that lost it in a restart that it is cordoned.
//
// Invariant: never more than one round of requests per edge is under way; what a process said is forgotten
// with it. Thread: the supervisor's loop.
#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/http/client.h"
#include "ops/supervisor/moves/edge_report.h"

namespace tocsin::ops {

class EdgeWatch {
 public:
  static constexpr Millis kCheck{1'000};
  static constexpr Millis kCheckMoving{250};  ///< while a move is under way
  static constexpr Millis kSilent{3'000};     ///< what was heard before is not believed any more
  static constexpr Millis kPatience{2'000};

  /// Whom to ask.
  struct Target {
    std::string name;
    std::string instance;   ///< of its process or pod: another one's word is forgotten
    std::string http;       ///< empty: it does not serve now
    std::string why;        ///< why not
    bool cordoned = false;  ///< it is to be
  };
  using Targets = std::function<std::vector<Target>()>;

  struct Seen {
    std::string instance;  ///< that said it
    bool ready = false;
    std::string detail = "not asked yet";
    std::string trouble;           ///< why its status is not known; empty: it is, or it was not asked yet
    std::string edge;              ///< its id, as it says
    std::uint64_t started_ms = 0;  ///< of its process, as it says
    std::optional<Instant> heard_at;
    std::string state;
    std::string revision;
    std::uint64_t clients = 0;
    std::uint64_t load = 0;
    std::uint64_t take_per_s = 0;
    std::uint64_t weight = 100;
    std::optional<EdgeReport> report;
    std::set<std::string> sees;  ///< other edges that take clients, as the broker told it
  };

  EdgeWatch(http::Context& context, const Clock& clock, Targets targets, std::string token)
      : clock_(clock), targets_(std::move(targets)), token_(std::move(token)), client_(context) {}

  /// Asks each edge whose turn it is.
  void poll(Millis every);
  /// Nothing known is a default Seen.
  [[nodiscard]] Seen of(const std::string& name, const std::string& instance) const;
  [[nodiscard]] bool heard(const Seen& seen) const;
  /// It is as ready as it is meant to be: a cordoned edge says that it is not.
  [[nodiscard]] bool serves(const Seen& seen) const;
  /// From now on requests have this token.
  void use(std::string token) { token_ = std::move(token); }
  [[nodiscard]] const std::string& token() const noexcept { return token_; }
  /// POST /admin/`what`; a status of 400 and above is an Error with the problem's code and detail.
  void post(const Target& target, const std::string& what, const std::string& body,
            std::function<void(Status)> answer);

 private:
  struct Asking {
    int open = 0;
    Instant next{};
  };
  void ask(const Target& target);
  [[nodiscard]] Status take_status(Seen& seen, const Result<http::Response>& got);
  void took(const std::string& name, const std::string& what);
  void remind(const Target& target, const Seen& seen);

  const Clock& clock_;
  Targets targets_;
  std::string token_;
  std::map<std::string, Seen> seen_;
  std::map<std::string, Asking> asking_;
  http::Client client_;
};

}  // namespace tocsin::ops
