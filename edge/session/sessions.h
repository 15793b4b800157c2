#pragma once
// Sessions: what clients say, turned into subscriptions, publishes and replies; who they are across sockets;
// and every reason to close one. The phases stand in phase.h.
//
// Invariant: one session per client of the hub, under the same slot; a session id belongs to at most one open
// client here. After close() nothing is written to the client. Thread: the loop.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/close.h"
#include "edge/auth/gate.h"
#include "edge/drain/drain.h"
#include "edge/hub/hub.h"
#include "edge/limits/limits.h"
#include "edge/monitoring/traffic_meter.h"
#include "edge/session/phase.h"
#include "edge/session/session_id.h"
#include "edge/session/session_index.h"
#include "edge/session/ticket.h"

namespace tocsin::edge {

struct Session {
  Phase phase = Phase::fresh;
  bool stored = false;     ///< the broker has a resume record of it
  bool over = false;       ///< said bye, or another socket has it: leaves no record behind
  bool ping_open = false;  ///< a ping without its pong
  bool offered = false;    ///< was told of another edge; its socket outlives its session here
  SessionId id;            ///< empty for SSE: Last-Event-ID does it
  std::uint64_t fence = 0;
  Instant opened{};
  Instant heard{};
  Instant pinged{};
  Instant recorded{};
  bool record_due = false;
  std::uint32_t publishing = 0;
  std::uint32_t bad_frames = 0;   ///< in a row
  std::uint32_t over_frames = 0;  ///< in a row, refused by a limit on what it sends
  std::string from;               ///< the client's address
  struct Resume;
  std::unique_ptr<Resume> resume;  ///< while claiming
};

class Sessions final : public MovePort {
 public:
  using Random = std::function<std::uint64_t()>;
  Sessions(const Config& config, const Clock& clock, BrokerPort& broker, Outlet& outlet, Hub& hub,
           Drain& drain, Random random, Metrics& metrics);
  ~Sessions() override;
  Sessions(const Sessions&) = delete;
  Sessions& operator=(const Sessions&) = delete;

  /// From now on clients need tokens, unless it is open.
  void guard(Gate& gate) noexcept;
  /// From now on they are counted and metered.
  void limit(Limits& limits) noexcept { limits_ = &limits; }
  /// `from`: the client's address.
  void opened(Client& client, std::string_view from = {});
  /// The client has shown a token that is good. After opened(), before opened_events().
  void admit(Client& client, Gate::Holder principal);
  /// Another right than before: what it does not permit ends, and other rows begin each stream again.
  void regard(Client& client, Gate::Holder principal);
  /// The client has shown a token that is not: it is closed on the next turn, whatever it says until then.
  void turn_away(Client& client, Error error);
  /// An event stream, after opened().
  void opened_events(Client& client, Subscribe subscribe);
  /// Closes whoever speaks under a token that was taken back.
  void drop_revoked();
  /// The rules of tokens have changed: each client may what its token says by them, from now on.
  void regard_again();
  void message(Client& client, std::string_view bytes);
  void pong(Client& client);
  /// The socket is gone. The session's record starts its time-to-live.
  void closed(Client& client);
  /// Tells why, gives the ticket, closes. `retry_after`: another delay than the reason's.
  void close(Client& client, CloseReason reason, std::string_view detail,
             std::optional<Millis> retry_after = {});
  void fenced(const std::string& session, std::uint64_t fence);
  [[nodiscard]] const Lifetimes& lifetimes() const noexcept { return lifetimes_; }

  // ---- MovePort
  [[nodiscard]] std::vector<ClientRef> all() const override;
  [[nodiscard]] Kind look(ClientRef client) const override;
  [[nodiscard]] std::string session_of(ClientRef client) const override;
  void confirm(ClientRef client) override;
  [[nodiscard]] bool confirmed(ClientRef client) const override;
  [[nodiscard]] link::SessionRecord record_for_move(ClientRef client) override;
  void offer(ClientRef client, const Offer& offer) override;
  void keep(ClientRef client) override;
  void send_away(ClientRef client, Millis retry_after) override;
  void replace(ClientRef client) override;

  /// Publishes of this turn, in one message; records of clients whose subscriptions changed in it.
  void turn();
  /// Looks after a tenth of the clients: time-outs, keepalive, checkpoints.
  void tick();

 private:
  Session& of(const Client& client) { return sessions_[client.slot]; }
  bool move(Client& client, SessionEvent event);
  /// Counts a new session; false: there is a limit against it, and the client is closed.
  bool has_room(Client& client);
  /// A frame that a limit forbids: answered, not executed.
  void forbid(Client& client, ClientCommand& command, const Over& over);
  /// One more of them; too many in a row end the connection.
  void count_over(Client& client);
  void on(Client& client, Connect& command);
  void on(Client& client, Subscribe& command);
  void on(Client& client, Unsubscribe& command);
  void on(Client& client, PublishOne& command);
  void on(Client& client, Refresh& command);
  void on(Client& client, Ping& command);
  void on(Client& client, Bye& command);
  void on(Client& client, Malformed& command);
  /// Every subscription comes this way: permitted, and bound to the rows its client may see. Fails with
  /// unauthorized, forbidden, or as Hub::subscribe does.
  Status subscribe(Client& client, Subscribe request);
  void note_close(const Client& client, CloseReason reason, std::string_view detail) const;
  void welcome(Client& client, bool resumed);
  [[nodiscard]] std::int64_t delay_after_cut(const Client& client) const;
  void begin_claim(Client& client);
  void try_claim(Client& client);
  void claimed(Client& client, Result<link::SessionState> answer);
  /// Goes on with a new session. `text` in place of the fault's own.
  void refuse_ticket(Client& client, TicketFault fault, std::string_view text = {});
  void replay_held(Client& client, const Session::Resume& resume);
  void restore(Client& client, const link::SessionRecord& record,
               const std::vector<std::pair<std::string, Since>>& since);
  void flush_publishes();
  void published(Client& client, const std::string& ref, const std::string& channel,
                 const Result<link::PublishOutcome>& answer);
  void reply(Client& client, std::string_view json);
  void refuse(Client& client, const Error& error, std::string_view id, std::string_view ref);
  [[nodiscard]] bool keeps_record(const Client& client);
  /// The record to be stored now.
  [[nodiscard]] link::SessionRecord record(Client& client);
  void arrived(Client& client, const link::SessionState& state);
  void tell_arrival(const Client& client);
  void look_after(Client& client, Instant now);
  void keep_alive(Client& client, Instant now);
  void ping(Client& client);
  [[nodiscard]] SessionId new_id();
  /// Of the token under which the client speaks; empty: nobody's, as everybody is while no token is asked
  /// for.
  [[nodiscard]] std::string_view subject_of(const Client& client) const noexcept;
  /// True when it is known who speaks, by this token or an earlier one; else the client is closed.
  bool introduced(Client& client, std::string_view token);
  /// Fails with unauthorized or forbidden.
  [[nodiscard]] Status may(const Client& client, auth::Action action, std::string_view channel) const;
  /// What the client may see at all; none: everything.
  [[nodiscard]] const Constraints& rows_of(const Client& client) const noexcept;
  void forget_access(const Client& client);
  void close_turned_away();
  /// One line about what the client did, or was refused.
  void audit(const Client& client, std::string_view action, const Status& outcome,
             std::string_view what = {}) const;
  void expire();
  [[nodiscard]] std::string ticket(const Client& client) const;
  [[nodiscard]] link::SessionRecord record_of(const Client& client, const Session& session) const;
  [[nodiscard]] Client* find(std::uint32_t slot, std::uint64_t serial) const;

  const Config& config_;
  const Clock& clock_;
  BrokerPort& broker_;
  Outlet& outlet_;
  Hub& hub_;
  Drain& drain_;
  Random random_;
  Metrics& metrics_;
  std::vector<Session> sessions_;
  Limits* limits_ = nullptr;  ///< null: there are none
  Gate* gate_ = nullptr;      ///< null: no token is asked for
  /// Who a client is, by its token.
  struct Access {
    Gate::Holder principal;  ///< shared by all who show the same token
    Instant due{};           ///< the token's end; of one that is paused, the close
    bool paused = false;     ///< the token has expired
  };
  std::vector<Access> access_;  ///< by slot; empty while no token is asked for
  SessionIndex by_id_{[this](std::uint32_t slot) -> std::string_view { return sessions_[slot].id.view(); }};
  /// Who is to be told of a publish.
  struct Asker {
    std::uint32_t slot;
    std::uint64_t serial;
    std::string ref;
    std::string channel;
  };
  /// A session that another edge had, until it is known how it went on.
  struct Arrival {
    std::uint64_t serial;
    std::string former;
    std::size_t subscriptions;
  };
  std::unordered_map<std::uint32_t, Arrival> arrivals_;  ///< by slot
  std::vector<Draft> drafts_;                            ///< published in this turn
  std::vector<Asker> askers_;                            ///< one for each
  std::size_t draft_bytes_ = 0;
  struct Away {
    std::uint32_t slot;
    std::uint64_t serial;
    Error error;
  };
  std::vector<Away> turned_away_;
  Lifetimes lifetimes_;
  unsigned wheel_ = 0;
  std::shared_ptr<Sessions*> self_;  ///< answers that outlive this find it empty
};

}  // namespace tocsin::edge
