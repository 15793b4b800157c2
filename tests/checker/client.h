#pragma once
// Client: one application as the history shows it: its sockets, the subscriptions on each, and what it has of
// each subscription over all its sockets. Decides clauses 3.1 and 3.3 to 3.6 at once and hands the rest to
// Evidence.
//
// Invariant: memory grows with open subscriptions and with holes, not with the length of the history.
// Thread: one.
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/checker/evidence.h"
#include "tests/checker/publishes.h"

namespace tocsin::checker {

/// What all clients share.
struct Run {
  Logs logs;
  Names keys;
  Names clients;
  TraitsTable traits;
  Findings findings;
  Evidence evidence;
  Publishes publishes;
  bool stable_epochs = false;
  std::vector<std::string> stable_channels;
  bool history_kept = false;
  bool all_publishers = false;
  Offset dedup_window = 0;
  std::map<std::string, std::uint32_t> newest_seen;  ///< channel -> log of the last `subscribed`

  explicit Run(std::size_t keep)
      : findings(keep), evidence(logs, keys, traits, findings), publishes(logs, findings) {}
  [[nodiscard]] bool stable(const std::string& channel) const;
};

struct Since {
  std::string epoch;
  Offset offset = 0;
};

class Client {
 public:
  Client(Run& run, std::string name);

  void opened(std::uint64_t conn);
  void closed(std::uint64_t conn);
  void forget();
  void sent(std::uint64_t conn, const json::Value& frame);
  /// Of subscription `id`, from its next `subscribed` on; an object, or null for rows that are not known.
  void rows(std::uint64_t conn, const std::string& id, const json::Value& labels);
  void received(std::uint64_t conn, const json::Value& frame);
  /// Clause 3.12.
  void settled();
  /// The history is over.
  void finish();

 private:
  /// What was asked under an id, and what the application has of it.
  struct Wish {
    std::string channel;
    std::uint32_t view = 0;
    std::string filter;  ///< JSON; empty: none
    bool snapshot = false;
    bool asked = false;  ///< a subscribe is unanswered
    std::optional<Since> since;
    std::int64_t log = -1;  ///< of `had`; -1: nothing yet
    Coverage had;
  };
  struct Stream {
    std::string id;
    std::uint64_t sub = 0;
    std::uint32_t log = 0;
    std::uint32_t view = 0;
    Offset start = 0;
    Coverage on_socket;
    bool judged = true;  ///< what it lets pass is known
    bool conflated = false;
    bool snapshotting = false;
    std::vector<SnapshotRow> rows;
  };
  struct Conn {
    std::map<std::string, Wish> asked;        ///< subscribes without an answer
    std::map<std::string, Since> since;       ///< of `connect`
    std::map<std::string, std::string> rows;  ///< JSON by id
    bool nothing_stated = false;              ///< `connect` came without any position
    std::map<std::string, Stream> streams;
    std::vector<std::uint64_t> ended;  ///< subs whose frames may still arrive
  };

  void on_subscribed(Conn& conn, const json::Value& frame);
  void begin(Conn& conn, Wish& wish, const std::string& id, const json::Value& frame);
  void look_through(const Conn& conn, const Wish& wish, Stream& stream);
  void check_answer(const Wish& wish, const std::string& outcome, std::string_view reason,
                    const Since& position, const std::string& id);
  void check_unasked(const Conn& conn, const Wish& wish, const std::string& id, const std::string& outcome,
                     const Since& position);
  void on_snapshot(Stream& stream, const json::Value& frame);
  void on_update(Stream& stream, const json::Value& frame);
  void on_skip(Stream& stream, const json::Value& frame);
  void on_head(Stream& stream, const json::Value& frame);
  void advance(Stream& stream, Offset from, Offset to);
  void observe(Stream& stream, Offset offset, const json::Value& frame);
  void end(Stream& stream, bool cut);
  void report(std::string_view clause, const std::string& id, const std::string& text);

  Run& run_;
  std::string name_;
  std::uint32_t number_;
  std::map<std::uint64_t, Conn> conns_;
  std::map<std::string, Wish> wishes_;
};

}  // namespace tocsin::checker
