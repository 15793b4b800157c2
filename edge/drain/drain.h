#pragma once
// Drain: moves the clients of this edge to others, and is the only place that does: a drain asked for by
// HTTP, by the supervisor or by SIGTERM, and a migration of some clients, run here. It knows the other edges
// from the broker's heartbeats and needs nobody else. The states of the edge stand in edge_state.h; a
// client's way:
//
// clang-format off
//   waiting -> confirming -> staging -> offered -> claimed -> told what became of it
//               a ping,      record on     |          its old socket stays until bye, or drain.bye_wait_ms
//               1 s at most  the target,   |
//                            1 s at most   '-> closed with 1012 at the offer's end, then waited for
// clang-format on
//
// Invariant: a client is done when the broker says that another edge has its session, or when it is over: not
// when a socket closes. Clients leave no faster than the pacer lets them; none holds another up. What is kept
// per client is kept while its move runs. Sans-IO. Thread: the loop.
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/clock.h"
#include "common/result.h"
#include "edge/broker_port.h"
#include "edge/config.h"
#include "edge/drain/edge_state.h"
#include "edge/drain/move_port.h"
#include "edge/drain/order.h"
#include "edge/drain/pacer.h"
#include "edge/drain/report.h"
#include "edge/metrics.h"

namespace tocsin::edge {

class Drain {
 public:
  Drain(const Config& config, const Clock& clock, BrokerPort& broker, Metrics& metrics);
  ~Drain();
  Drain(const Drain&) = delete;
  Drain& operator=(const Drain&) = delete;
  /// Before anything else; `clients` outlives the last call.
  void attach(MovePort& clients) { clients_ = &clients; }

  // ---- orders
  /// The edge takes no more clients after drain.lb_settle_ms. Fails with conflict while it stops.
  Status cordon();
  /// Takes clients again; a drain that runs is aborted.
  Status uncordon();
  /// Starts a move. The one that runs goes on if it is of the same kind (its report tells which it is), from
  /// now on with the targets and exclusions of this order if it has some; one that has ended is not begun
  /// again under its id. Fails with conflict (another kind runs; the edge
  /// stops) or not_found (targets that nobody knows).
  Status start(MoveOrder order);
  /// Fails with conflict when nothing runs.
  Status abort();
  /// The move that runs is to be over within this time.
  void hasten(Millis time);
  void stop();

  struct Plan {
    std::size_t clients = 0;
    double rate = 0;
    Millis expected{0};
    std::vector<Pacer::Target> targets;
  };
  /// What start() would do now. Fails with unavailable when no edge would take clients.
  [[nodiscard]] Result<Plan> plan(const MoveOrder& order) const;

  // ---- facts
  [[nodiscard]] EdgeState state() const noexcept { return state_; }
  /// New clients are to be sent elsewhere.
  [[nodiscard]] bool refusing() const;
  [[nodiscard]] bool running() const noexcept { return move_ != nullptr; }
  /// Of the move that runs, or of the last one; nullptr: there was none.
  [[nodiscard]] const MoveReport* report();
  /// Whether an edge is there that would take clients of this one.
  [[nodiscard]] bool has_target() const;

  // ---- what sessions tell
  void opened(ClientRef client);
  /// Its socket is gone. `session` may be empty.
  void gone(ClientRef client, const std::string& session);
  void bye(const std::string& session, std::uint64_t duplicates);
  /// Another edge has the session. True: the client was offered one, its old socket stays a while.
  bool claimed(const std::string& session);
  void moved(const link::SessionMoved& moved);
  /// A session that was offered another edge was taken over by a socket of this one.
  void returned(const std::string& session);

  /// Every 100 ms.
  void tick();

 private:
  enum class Step : std::uint8_t { confirming, staging, offered, claimed };
  /// A client on its way.
  struct Moving {
    ClientRef client;
    Step step = Step::confirming;
    bool open = true;  ///< its socket is
    bool bye = false;
    bool told = false;   ///< what became of its subscriptions
    std::string target;  ///< empty: none
    Instant since{};     ///< of the step; offered: when it was told to go
    Instant closed_at{};
  };
  struct Due {
    std::string session;
    Instant at;
  };
  /// What exists while a move runs.
  struct Move {
    Move(const std::string& self, const MoveOrder& o, Pacer::Settings settings)
        : order(o), pacer(self, order, settings) {}
    MoveOrder order;
    Pacer pacer;
    Instant started{};
    Instant begin_at{};  ///< drain.lb_settle_ms later
    Instant deadline{};
    Instant length_from{};  ///< the deadline's fifths are counted from here
    bool begun = false;
    bool timed = false;  ///< how long it takes was thought about with targets in sight
    bool hurried = false;
    std::vector<ClientRef> waiting;
    std::size_t next = 0;  ///< in `waiting`
    std::size_t more = 0;  ///< of a migration: clients yet to be taken
    std::vector<ClientRef> early;
    std::vector<std::string> confirming;
    std::deque<Due> staging, offered;
  };
  /// For the target's word after the socket's last moment.
  static constexpr Millis kUntold{3'000};

  [[nodiscard]] bool transition(EdgeEvent event);
  [[nodiscard]] Pacer::Settings pacer_settings(std::size_t clients, Millis deadline) const;
  [[nodiscard]] Status check_names(const MoveOrder& order) const;
  [[nodiscard]] Millis deadline_of(const MoveOrder& order) const;
  [[nodiscard]] Millis settle_left() const;
  void plan_time();
  void begin();
  void run();
  void look_at_early();
  void pass_on_confirmed();
  void pass_on_staged();
  void stage(const std::string& target, std::vector<std::string> sessions);
  void staged(const std::string& target, const std::vector<std::string>& sessions,
              const Result<link::StageAnswer>& answer);
  void put_back(const std::string& session);
  void offer(const std::vector<std::string>& sessions);
  void close_due();
  void take_more();
  bool take_one(ClientRef client, MovePort::Kind kind, std::size_t index);
  void send_away(ClientRef client, const std::string& session, Millis retry_after);
  void hurry();
  bool paused();
  [[nodiscard]] bool last_fifth() const;
  void watch_claimed();
  void seen_elsewhere(Moving& moving);
  void drop(const std::string& session);
  void check_end();
  void at_deadline();
  void end(MoveState state);
  void count();
  [[nodiscard]] std::size_t unoffered() const;
  [[nodiscard]] std::size_t unfinished() const;
  [[nodiscard]] Moving* find(const std::string& session);

  const Config& config_;
  const Clock& clock_;
  BrokerPort& broker_;
  Metrics& metrics_;
  MovePort* clients_ = nullptr;
  EdgeState state_ = EdgeState::starting;
  Instant cordoned_at_{};
  Instant ticked_{};
  std::vector<ClientRef> strays_;  ///< came while cordoned: they go first
  std::unique_ptr<Move> move_;
  std::optional<MoveReport> report_;
  std::unordered_map<std::string, Moving> moving_;  ///< by session; outlives the move by a moment
  std::deque<Due> claimed_;                         ///< their sockets' last moments
  std::deque<Due> untold_;                          ///< claimed: what became of them is awaited until then
  std::deque<Due> lapsing_;                         ///< said bye, or their offer outlived the move
  Instant second_{};                                ///< since when seen_in_second_ counts
  std::size_t seen_in_second_ = 0;
  std::shared_ptr<Drain*> self_;  ///< answers that outlive this find it empty
};

}  // namespace tocsin::edge
