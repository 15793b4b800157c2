#pragma once
// SimClient: an application with a well-behaved client library. Connects to any edge, subscribes, keeps its
// positions, and when a socket goes comes back by `since` or by ticket. Records everything it sends and
// receives; judges nothing.
//
// Invariant: a position it states is one up to which it has everything. Thread: one.
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/json/json.h"
#include "tests/checker/coverage.h"
#include "tests/sim/recorder.h"
#include "tests/sim/sockets.h"
#include "tests/sim/tokens.h"
#include "tests/sim/world.h"

namespace tocsin::sim {

struct Wanted {
  std::string id;
  std::string channel;
  std::string filter;   ///< JSON
  std::string options;  ///< more members of the subscribe frame, each with a leading comma
  bool snapshot = false;
};

struct ClientPlan {
  std::string name;
  std::vector<Wanted> wanted;
  bool by_ticket = false;
  bool proto = false;    ///< speaks tocsin.v1.proto
  bool follows = false;  ///< an offer of another edge, with a second socket; needs by_ticket
  bool trusts = false;   ///< the positions in its record: it states none with its ticket
  TokenPlan tokens{};
};

class SimClient {
 public:
  /// Connects to this endpoint, or anywhere when it is empty; false when nobody listens there at the moment.
  using Dial = std::function<bool(const Connection&, const std::string& endpoint)>;

  SimClient(World& world, Sockets& sockets, Recorder& recorder, const ClientPlan& plan, Dial dial);

  void start() { connect(); }
  // ---- what happens to it
  void cut();
  void stall(std::int64_t ms);
  /// Opens a second socket and takes its session over, as after a migration offer.
  void move();
  /// The application crashes: it comes back knowing nothing.
  void forget();
  void resubscribe(std::size_t index);
  void heal();

  /// True when each subscription is live on the present socket.
  [[nodiscard]] bool subscribed() const;
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  /// How often it was without any socket that it had not closed itself, after its first.
  [[nodiscard]] std::size_t blackouts() const noexcept { return blackouts_; }
  [[nodiscard]] bool follows() const noexcept { return follows_; }
  [[nodiscard]] const std::string& subject() const noexcept { return tokens_.subject; }
  /// True when it is connected by a token of that moment or earlier.
  [[nodiscard]] bool shows_token_before(std::int64_t wall_ms) const;

 private:
  struct Held {
    Wanted wanted;
    std::string epoch;              ///< empty: nothing yet, or a snapshot that is not whole
    std::string arriving;           ///< the epoch of a snapshot under way
    std::uint64_t arriving_on = 0;  ///< its socket
    checker::Coverage had;
    [[nodiscard]] std::string position() const;
  };
  struct Conn {
    std::uint64_t number = 0;
    Connection tcp;
    std::map<std::uint64_t, std::size_t> subs;  ///< sub -> index in held_
    bool resuming = false;                      ///< it opened with a ticket
    bool offered = false;                       ///< another edge, to be followed
    bool over = false;
    Token token;                     ///< the last that was shown on it
    std::set<std::size_t> revising;  ///< indices that other rows were asked for and not answered yet
  };
  using ConnPtr = std::shared_ptr<Conn>;

  void connect(const std::string& endpoint = {});
  void on_status(const ConnPtr& conn, const json::Value& frame);
  void retry(std::int64_t ms);
  void on_frame(const ConnPtr& conn, std::string_view text);
  void on_welcome(const ConnPtr& conn, const json::Value& frame);
  void on_subscribed(const ConnPtr& conn, const json::Value& frame);
  void on_update(const ConnPtr& conn, const json::Value& frame);
  void on_snapshot(const ConnPtr& conn, const json::Value& frame);
  void on_gone(const ConnPtr& conn);
  void subscribe(const ConnPtr& conn, std::size_t index);
  void subscribe_missing(const ConnPtr& conn);
  void send(const ConnPtr& conn, const std::string& frame);
  void take_token(const ConnPtr& conn);
  void renew_in_time(const ConnPtr& conn);
  void renew(const ConnPtr& conn);
  void tell_rows(const ConnPtr& conn, std::size_t index, std::string_view reason);
  [[nodiscard]] bool has(const Conn& conn, std::size_t index) const;

  World& world_;
  Sockets& sockets_;
  Recorder& recorder_;
  const std::string name_;
  std::vector<Held> held_;
  const bool by_ticket_;
  const bool proto_;
  const bool follows_;
  const bool trusts_;
  const TokenPlan tokens_;
  Token token_;  ///< the newest; without text: the next socket needs another
  Dial dial_;
  std::string ticket_;
  ConnPtr now_;
  std::vector<ConnPtr> open_;  ///< now_, and older ones that were not closed yet
  std::uint64_t conns_ = 0;
  bool retrying_ = false;
  bool healed_ = false;
  std::size_t blackouts_ = 0;
};

}  // namespace tocsin::sim
