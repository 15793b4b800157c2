#pragma once
// A gateway between a scripted broker and recorded sockets. The broker is a real log in memory behind
// BrokerPort: answers come when the test says so, as the link promises. Sockets can be blocked and read in
// pieces.
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/json/json.h"
#include "edge/codec/ws_frame.h"
#include "edge/metrics.h"
#include "edge/session/gateway.h"

namespace tocsin::edge::rig {

class ManualClock final : public Clock {
 public:
  [[nodiscard]] Instant steady() const override { return now; }
  [[nodiscard]] std::int64_t wall_ms() const override {
    return 1'760'000'000'000 + now.time_since_epoch().count();
  }
  Instant now{Millis{1'000'000}};
};

/// One channel of the scripted broker.
struct Channel {
  Epoch epoch{1};
  Offset first = 1;
  std::vector<Update> updates;  ///< updates[i].offset == i + 1
  bool wanted = false;
  [[nodiscard]] Offset last() const { return updates.size(); }
  [[nodiscard]] link::Head head(const std::string& name) const { return {name, epoch, first, last()}; }
};

class FakeBroker final : public BrokerPort {
 public:
  void want(const std::string& channel) override;
  void unwant(const std::string& channel) override { channels[channel].wanted = false; }
  void publish(std::vector<Draft> drafts, Answer<std::vector<link::PublishOutcome>> answer) override;
  void read(const std::string& channel, Position after, std::uint32_t max_bytes,
            Answer<link::ReadResult> answer) override;
  void snapshot(const std::string& channel, const std::string& cursor,
                Answer<link::SnapshotPage> answer) override;
  void cancel_snapshot(const std::string&, const std::string&) override { ++cancelled; }
  void list_incidents(link::ListIncidents, Answer<link::IncidentsPage>) override {}
  void get_incident(link::GetIncident, Answer<link::IncidentsPage>) override {}
  void get_channel(const std::string& channel, Answer<link::ChannelInfo> answer) override;
  void put_session(link::SessionRecord record, bool connected) override;
  void claim_session(const std::string& id, std::uint64_t fence, const std::string& subject,
                     Answer<link::SessionState> answer) override;
  void drop_session(const std::string& id, std::uint64_t) override { sessions.erase(id); }
  void stage_sessions(const std::string& target, std::vector<link::SessionRecord> records,
                      Answer<link::StageAnswer> answer) override;
  void session_moved(link::SessionMoved m) override { moved.push_back(std::move(m)); }
  [[nodiscard]] const std::vector<link::EdgeInfo>& edges() const override { return known_edges; }
  [[nodiscard]] const std::string& ticket_key() const override { return keys.front(); }
  [[nodiscard]] const std::vector<std::string>& ticket_keys() const override { return keys; }

  /// Appends an incident change (or an event when `severity` is empty) to the log; the feed hears of it with
  /// feed().
  Offset add(const std::string& channel, const std::string& incident, const std::string& severity = "P3",
             const std::string& status = "investigating");
  /// Tells the gateway what it has not been told of a wanted channel.
  void feed(FeedSink& sink);
  /// Runs the answers that are due. `count` 0: all, and those they lead to.
  void answer(std::size_t count = 0);

  std::map<std::string, Channel> channels;
  std::map<std::string, Offset> told;
  std::map<std::string, link::SessionRecord> sessions;
  std::map<std::string, bool> connected;
  std::deque<std::function<void()>> due;
  std::vector<std::string> keys{"secret"};
  std::vector<link::EdgeInfo> known_edges;
  std::vector<link::SessionMoved> moved;
  struct Staged {
    std::string target;
    std::vector<link::SessionRecord> records;
  };
  std::vector<Staged> staged;
  link::Fault staging_refused;  ///< of the whole message; empty: all are accepted
  bool away = false;            ///< requests are answered unavailable, channels do not attach
  std::size_t page_updates = 10;
  std::size_t page_incidents = 5;
  std::size_t reads = 0, snapshots = 0, cancelled = 0, puts = 0, claims = 0;
  std::vector<Draft> published;
  int publish_calls = 0;
};

struct FakeSocket {
  std::string wire;      ///< taken, not yet looked at by the test
  bool blocked = false;  ///< the next write is taken but queued
  bool busy = false;
  bool dead = false;
  bool closed = false;
  CloseReason reason{};
  std::size_t writes = 0;
  std::size_t batch = 65'536;
};

class FakeOutlet final : public Outlet {
 public:
  [[nodiscard]] bool busy(Socket s) const override { return static_cast<FakeSocket*>(s)->busy; }
  Sent write(Socket s, std::string_view frames) override;
  void close(Socket s, CloseReason reason, std::string_view detail) override;
  [[nodiscard]] std::size_t max_batch(Socket s) const override { return static_cast<FakeSocket*>(s)->batch; }
  bool overrun = false;  ///< written when busy, closed or empty: a broken promise
};

/// A client as a test sees it.
struct Peer {
  FakeSocket socket;
  ClientId id{};
  std::vector<std::string> pings;
  /// Whole frames since the last call, as JSON texts; pings are counted aside.
  std::vector<std::string> take();
  std::size_t ping_count = 0;
};

struct Rig {
  Rig() : Rig(Config{}) {}
  explicit Rig(Config c);
  Peer& connect(Opening opening = {});
  void say(Peer& peer, const std::string& json) { gateway->message(peer.id, json); }
  /// One loop turn: answers, feed, pass.
  void turn();
  /// Turns until nothing moves.
  void settle();
  /// Lets virtual time pass in ticks of 100 ms.
  void wait(Millis time);
  void drop(Peer& peer);
  void unblock(Peer& peer);

  Config config;
  ManualClock clock;
  metrics::Registry registry;
  Metrics metrics{registry};
  FakeBroker broker;
  FakeOutlet outlet;
  std::unique_ptr<Gateway> gateway;
  std::vector<std::unique_ptr<Peer>> peers;
  std::uint64_t seed = 42;
};

/// The plainest subscription: "a" to channel "c".
inline const std::string kSubscribe = R"({"type":"subscribe","id":"a","channel":"c"})";

/// Shorthands on frames.
[[nodiscard]] std::string type_of(const std::string& frame);
[[nodiscard]] std::string text_of(const std::string& frame, const char* member);
[[nodiscard]] std::uint64_t number_of(const std::string& frame, const char* member);
[[nodiscard]] std::vector<std::string> of_type(const std::vector<std::string>& frames,
                                               const std::string& type);

}  // namespace tocsin::edge::rig
