#pragma once
// Move: carries one order out, step by step (phase.h). No clock, no disk, no process: it is ticked, looks at
// the cluster through its port and asks for what is missing.
//
// Invariant: the record is on disk in the phase in which something is asked for, before it is asked; a move
// made from that record goes on as this one would. Thread: the supervisor's loop.
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "common/clock.h"
#include "ops/supervisor/moves/port.h"

namespace tocsin::ops {

class Move {
 public:
  static constexpr Millis kAskAgain{1'000};       ///< an edge that does not do what it was asked for
  static constexpr Millis kUndoPatience{10'000};  ///< for an edge that does not answer, when calling off
  static constexpr Millis kTargetSeen{5'000};     ///< until an edge must have heard of its targets
  static constexpr Millis kLook{500};          ///< after a step, until the counts of the edges are believed
  static constexpr std::uint64_t kRounds = 3;  ///< steps of a rebalance without improvement, then it ends

  enum class Kept : std::uint8_t { yes, not_yet };
  Move(Record record, MovePort& port, Kept kept = Kept::yes)
      : record_(std::move(record)), port_(port), unsaved_(kept == Kept::not_yet) {}
  Move(const Move&) = delete;
  Move& operator=(const Move&) = delete;

  void tick(Instant now);
  /// Calls it off; what was moved stays moved. Fails with conflict when it is too late.
  [[nodiscard]] Status abort(const std::string& reason);

  [[nodiscard]] const Record& record() const noexcept { return record_; }
  [[nodiscard]] bool ended() const noexcept { return tocsin::ops::ended(record_.phase) && !unsaved_; }
  /// Why nothing goes on at the moment; empty when something does.
  [[nodiscard]] const std::string& waits() const noexcept { return waits_; }
  /// Whether it has to do with this edge; a move of the whole cluster has with each.
  [[nodiscard]] bool concerns(const std::string& edge) const;

 private:
  struct Asking {
    bool open = false;
    std::optional<Instant> at;
    std::string said;  ///< why it was refused, for now
  };
  // Each returns true when the phase has changed.
  bool step();
  bool begin();
  bool begin_scale();
  bool wait_started();
  bool look();
  bool run_tasks();
  bool tasks_ended();
  bool next_edge();
  bool empty_surge();
  bool replace();
  bool revert();
  bool undo();
  bool undone();
  bool retire();
  bool restart_broker();

  bool go(Phase to);
  bool fail(const std::string& reason);
  bool wait(std::string why);
  [[nodiscard]] bool save();
  /// Those that take clients, when all of them are of an older revision than `edge`; else none.
  [[nodiscard]] std::vector<std::string> older_targets(const std::string& edge, const Pace& pace) const;
  /// Those of the newest revision that take clients.
  [[nodiscard]] std::vector<std::string> newest_targets(const std::string& edge, const Pace& pace) const;
  void add_task(const std::string& edge, std::uint64_t count, Pace pace);
  void run(Task& task);
  void ask(Task& task, const EdgeView& edge);
  [[nodiscard]] bool call_off(Task& task);
  [[nodiscard]] bool may_ask(const std::string& key);
  void post(const std::string& key, const std::string& edge, const std::string& what, const std::string& body,
            std::function<void(const Error&)> refused);
  /// Somebody cordoned it before this move came: that is not this move's to undo.
  [[nodiscard]] bool held(const std::string& edge) const;
  /// It does what it did before this move came.
  [[nodiscard]] bool settled(const EdgeView& edge) const;
  [[nodiscard]] std::optional<EdgeView> find(const std::string& edge) const;
  [[nodiscard]] std::vector<std::string> restart_targets(const std::string& edge) const;
  [[nodiscard]] bool scales_up() const;

  Record record_;
  MovePort& port_;
  Instant now_{};
  std::optional<Instant> since_;  ///< the phase
  std::string waits_;
  bool unsaved_;
  std::map<std::string, Asking> asking_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace tocsin::ops
