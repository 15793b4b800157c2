#pragma once
// Site: what the admin API shows and changes, wherever the edges run: the Desk implements it with processes
// of this machine, k8s::Desk with the pods of a StatefulSet, members::Desk with edges that others run.
//
// Thread: the supervisor's loop.
#include <functional>
#include <string>

#include "common/health/checks.h"
#include "ops/supervisor/edge_watch.h"
#include "ops/supervisor/metrics.h"
#include "ops/supervisor/moves/moves.h"

namespace tocsin::ops {

/// A process that alerts are about.
struct Watched {
  std::string name;            ///< "broker", or an edge's
  std::string http;            ///< where its /metrics are; empty: nowhere now
  bool ready = false;          ///< as ready as it is meant to be
  std::uint64_t instance = 0;  ///< another one: its counters began anew
};

class Site : public MovePort {
 public:
  /// Why orders are not taken here (it is starting; another supervisor is in charge).
  [[nodiscard]] virtual Status takes_orders() const = 0;
  /// All that is to run does.
  [[nodiscard]] virtual bool ready() const = 0;
  /// How each of them is. What counts is there if, and only if, it is not ready().
  [[nodiscard]] virtual health::Checks checks() const = 0;
  /// The answer to GET /status.
  [[nodiscard]] virtual std::string status_json() const = 0;
  /// Brings gauges up to date.
  virtual void count(Metrics& metrics) const = 0;

  [[nodiscard]] virtual Moves& moves() = 0;
  /// Looks again at once: after a change that somebody waits for.
  virtual void tick() = 0;

  /// What a rolling restart with this body gives the processes. Fails with a sentence for people.
  [[nodiscard]] virtual Result<Release> next_release(const json::Value& body) const = 0;
  [[nodiscard]] virtual Status set_maintenance(bool on) = 0;
  /// Why no edge can be started or stopped from here; the sentence says what to use.
  [[nodiscard]] virtual Status can_scale() const { return Done{}; }
  enum class Told : std::uint8_t { now, later };  ///< later: the edge does not run at the moment
  /// Remembers it and tells the edge. Fails with not_found, or with what the edge says.
  virtual void set_cordon(const std::string& edge, bool on, std::function<void(Result<Told>)> answer) = 0;

  // What alerts are about, beside maintenance().
  [[nodiscard]] virtual std::vector<Watched> watched() const = 0;
  /// Of all processes, ever; where others restart them, nobody counts here.
  [[nodiscard]] virtual std::uint64_t restarts() const { return 0; }
  /// What makes an operator of who asks them; empty: nothing does.
  [[nodiscard]] virtual const std::string& token() const = 0;
  /// Of the disk with the broker's log, where it can be seen.
  [[nodiscard]] virtual double disk_free_percent() const { return 100; }
};

/// What an edge's readiness check said: its reason, or the text itself when it is no JSON with one.
[[nodiscard]] std::string reason_of(const EdgeWatch::Seen& seen);
class Members;
/// What an edge says of itself, as members of its entry in /status.
void add_seen(Members& members, const EdgeWatch& watch, const EdgeWatch::Seen& seen);
/// The gauges of a supervisor whose edges others run: the edges are all the processes that it knows.
void count_edges(const std::vector<EdgeView>& edges, const Moves& moves, bool maintenance, Metrics& metrics);
/// The "plans" of /status: those that are under way, each as its report.
[[nodiscard]] std::string running_plans(const Moves& moves, std::int64_t now_ms);

}  // namespace tocsin::ops
