#pragma once
// Fanout: the pass. Once per loop turn every member of an audience with news gets everything from its cursor
// to the head in one write; clients with private frames, several subscriptions or a backlog to conflate are
// gathered into one write each.
//
// Invariant: what a client is sent of one subscription is in order and each byte once; private frames go
// before what its audiences have for it. Only audiences with news are touched. Nothing here calls up: what it
// finds out waits in lists for the hub. Thread: the loop.
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "edge/config.h"
#include "edge/hub/audience.h"
#include "edge/hub/client.h"
#include "edge/hub/outlet.h"
#include "edge/metrics.h"

namespace tocsin::edge {

class Fanout {
 public:
  Fanout(const Config& config, const Clock& clock, Outlet& outlet, Metrics& metrics);

  /// The audience has frames that some member lacks.
  void mark(Audience& audience);
  /// The client has something to send that the sweep will not find: all its subscriptions are looked at.
  void queue(Client& client);
  [[nodiscard]] bool has_room(const Client& client, std::size_t size) const;
  /// Appends a private frame, framed for the client's door. False when its tail is full: nothing is written
  /// to it any more, it must be closed as slow.
  bool send(Client& client, std::string_view json, Position id = {});
  void send_run(Client& client, std::shared_ptr<const FrameRun> run);
  /// Ready-made bytes (a ping) as one private frame.
  bool send_bytes(Client& client, std::string_view frame);
  /// Writes what is private at once, for a last word before a close.
  void flush_tail(Client& client);

  /// The socket takes bytes again. A client that stood still or is far behind is conflated from here to the
  /// head.
  void unblock(Client& client);
  /// Blocked until resume(), though its socket takes bytes.
  void pause(Client& client);
  void resume(Client& client);
  /// Nothing is written to it any more.
  static void kill(Client& client);
  /// Takes the client out of every list; it is about to be freed.
  void forget(Client& client);
  void forget(Audience& audience);
  /// It leaves its audience: the wait for its rate ends.
  void unhold(Sub& sub);
  /// When the next subscription with a rate may go on; the pass is to run by then.
  [[nodiscard]] std::optional<Instant> next_due() const;
  /// Unsent bytes that one audience's log may hold.
  [[nodiscard]] std::size_t log_cap() const;

  /// One pass. True when some client has more than one turn's share.
  bool pass();

  /// Something was queued since the pass.
  [[nodiscard]] bool pending() const noexcept { return !dirty_.empty() || !queued_.empty(); }
  /// Clients whose private frames are out and whose subscriptions wait for that.
  [[nodiscard]] std::vector<Client*> take_drained();
  /// Subscriptions whose place in the log was overwritten; already taken out, mode catching_up.
  [[nodiscard]] std::vector<Sub*> take_fallen();
  /// Whether a subscription has news waiting, by the log.
  [[nodiscard]] static bool behind(const Client& client);

 private:
  /// The next write for a cursor; members of a sweep mostly share it.
  struct Batch {
    const AudienceLog* log = nullptr;
    AudienceLog::Cursor from = 0;
    std::size_t max = 0;
    std::string_view bytes;
    std::size_t frames = 0;
  };
  const Batch& batch(const AudienceLog& log, AudienceLog::Cursor from, std::size_t max);
  PrivateTail& tail_of(Client& client);
  void touch(Audience& audience);
  void sweep(Audience& audience);
  void write_member(Audience& audience, Member& member);
  void trim(Audience& audience);
  void slow_down(Audience& audience, std::size_t far);
  void release_due();
  void release_rated(Client& client);
  std::shared_ptr<const FrameRun> rated_run(Sub& sub, AudienceLog::Cursor& cursor);
  void queue_sub(Sub& sub);
  std::vector<Sub*>& candidates(Client& client);
  void flush(Client& client);
  std::string_view gather(Client& client, const std::vector<Sub*>& subs);
  void gather_live(Client& client, Sub& sub, std::string_view& only);
  void add(std::string_view& only, std::string_view bytes);
  void block(Client& client);
  void settle_flags(Client& client, const std::vector<Sub*>& subs);
  bool wrote(Client& client, std::string_view bytes);

  const Config& config_;
  const Clock& clock_;
  Outlet& outlet_;
  Metrics& metrics_;
  std::vector<Audience*> dirty_;
  std::vector<Client*> queued_;
  std::vector<Client*> drained_;
  std::vector<Sub*> fallen_;
  /// Never by address: whoever may go on at the same moment goes in the order of subscribing, in every run.
  struct DueSooner {
    bool operator()(const Sub* a, const Sub* b) const noexcept {
      return a->due != b->due ? a->due < b->due : a->serial < b->serial;
    }
  };
  std::set<Sub*, DueSooner> held_;  ///< by when they may go on; `due` stands still meanwhile
  std::vector<Audience*> touched_;  ///< to be trimmed at the end of the pass
  Batch memo_;
  /// The last run made for a rate; dashboards with one view and rate share it.
  struct RatedRun {
    const AudienceLog* log = nullptr;
    AudienceLog::Cursor from = 0;
    AudienceLog::Cursor to = 0;
    AudienceLog::Cursor end = 0;  ///< of the log, when it was made
    std::shared_ptr<const FrameRun> run;
    std::size_t updates = 0;
    std::size_t dropped = 0;
  };
  RatedRun rated_;
  FrameRun conflated_;          ///< scratch
  std::vector<Sub*> flushing_;  ///< scratch: the subscriptions of the client being flushed
  std::string scratch_;         ///< a gathered write
  std::size_t delivered_ = 0;
  std::size_t turns_ = 0;
  bool more_ = false;
};

}  // namespace tocsin::edge
