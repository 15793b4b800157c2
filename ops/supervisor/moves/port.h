#pragma once
// MovePort: what a move sees of the cluster and asks of it. The supervisor's desk implements it with
// processes and HTTP, tests with a world in virtual time.
//
// Whatever is asked may be asked again: a move that finds itself in the middle of a phase does it anew.
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/clock.h"
#include "ops/supervisor/moves/edge_report.h"
#include "ops/supervisor/moves/record.h"

namespace tocsin::ops {

struct EdgeView {
  std::string id;
  Release release;
  bool ready = false;    ///< its process says that it serves
  std::string hopeless;  ///< why it cannot start; empty: it can
  bool heard = false;    ///< it answered lately; what follows is what it said
  Instant heard_at{};
  std::string state;  ///< the edge's own: ready, cordoned, migrating, ...
  std::uint64_t clients = 0;
  std::uint64_t weight = 100;
  std::optional<EdgeReport> report;  ///< of its running move, or the last one
  std::set<std::string> sees;        ///< other edges that would take clients, as far as it knows
  bool leaving = false;  ///< somebody else stops it: its clients go by themselves, nothing is asked of it
  bool awaited = true;   ///< false: when it will be there is for others to say, nobody waits for it

  [[nodiscard]] bool takes_clients() const { return ready && heard && state == "ready"; }
};

struct BrokerView {
  ProcessId id;
  bool ready = false;
  std::string hopeless;
};

inline constexpr const char* kSurgeEdge = "edge-surge";  ///< only there during a rolling restart

class MovePort {
 public:
  virtual ~MovePort() = default;

  [[nodiscard]] virtual std::vector<EdgeView> edges() const = 0;  ///< in order, the surge edge last
  /// Those that a scaling counts, in order: the last ones go first.
  [[nodiscard]] virtual std::vector<std::string> scaled() const {
    std::vector<std::string> out;
    for (const EdgeView& edge : edges()) out.push_back(edge.id);
    return out;
  }
  [[nodiscard]] virtual std::string name_of(std::uint64_t ordinal) const {
    return "edge-" + std::to_string(ordinal);
  }
  /// Whether edges know by themselves which of them are of an older revision; else targets are named.
  [[nodiscard]] virtual bool edges_know_revisions() const { return true; }
  /// Those that are to be cordoned, as cordon() left it.
  [[nodiscard]] virtual std::set<std::string> cordoned() const = 0;
  [[nodiscard]] virtual BrokerView broker() const = 0;
  [[nodiscard]] virtual Release release() const = 0;  ///< what a new edge is started from
  [[nodiscard]] virtual bool maintenance() const = 0;
  [[nodiscard]] virtual std::int64_t wall_ms() const = 0;

  /// Kept when it returns. Fails with io, or with overloaded while it is on its way: then it is asked again.
  [[nodiscard]] virtual Status persist(const Record& record) = 0;

  /// POST /admin/`what` at an edge; the answer comes later, or never when this supervisor dies.
  virtual void post(const std::string& edge, const std::string& what, const std::string& body,
                    std::function<void(Status)> answer) = 0;
  /// Whether an edge is to be cordoned, remembered over its restarts and the supervisor's.
  virtual void cordon(const std::string& edge, bool on) = 0;
  [[nodiscard]] virtual Status start_edge(const std::string& name, const Release& release) = 0;
  virtual void replace_edge(const std::string& name, const Release& release) = 0;
  virtual void retire_edge(const std::string& name) = 0;
  virtual void replace_broker(const Release& release) = 0;
};

}  // namespace tocsin::ops
