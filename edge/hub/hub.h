#pragma once
// Hub: from a channel's updates to its clients' bytes. Owns the feeds, the clients and their subscriptions;
// the pass is fanout.h, the way of a subscription to live is joiner.h.
//
// Invariant: a feed is wanted from the broker while it has subscriptions, and cache.linger_ms longer. An
// update touches only audiences that may match it. What concerns sessions waits in lists (changed, stuck):
// nothing here calls up. Thread: the loop.
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/trace/tracer.h"
#include "edge/hub/fanout.h"
#include "edge/hub/feed.h"
#include "edge/hub/joiner.h"

namespace tocsin::edge {

class Hub final : private SubOwner {
 public:
  Hub(const Config& config, const Clock& clock, BrokerPort& broker, Outlet& outlet, Metrics& metrics);
  ~Hub() override;

  // ---- clients
  Client& add_client(Socket socket, Encoding encoding);
  /// Frees it; its subscriptions end.
  void remove_client(Client& client);
  [[nodiscard]] Client* client(std::uint32_t slot) const noexcept {
    return slot < clients_.size() ? clients_[slot].get() : nullptr;
  }
  /// One past the highest slot in use.
  [[nodiscard]] std::uint32_t slots() const noexcept { return static_cast<std::uint32_t>(clients_.size()); }

  /// Fails with too_many, or invalid_argument when the id is in use. Everything else is told to the client
  /// when it is known.
  Status subscribe(Client& client, Subscribe request);
  /// Fails with not_found.
  Status unsubscribe(Client& client, std::string_view id);

  /// Who may see other rows from now on: its subscriptions begin again, each with a snapshot of them, and
  /// nothing that waits for it of the old ones is written.
  void revise(Client& client, const Constraints& within);
  /// Drops what waits for the client of replays and snapshots. True: there was something, so its
  /// subscriptions are not whole until they are revised.
  static bool drop_waiting(Client& client) { return client.tail && client.tail->drop_runs(); }

  /// One private frame. False when the client's private frames are at their bound.
  bool send(Client& client, std::string_view json) { return fanout_.send(client, json); }
  bool send_bytes(Client& client, std::string_view frame) { return fanout_.send_bytes(client, frame); }
  /// A last frame, written at once if the socket takes it; nothing is written after it.
  void send_last(Client& client, std::string_view json);
  void writable(Client& client) { fanout_.unblock(client); }

  /// Nothing more is written, but for a last frame, until resume().
  void pause(Client& client) { fanout_.pause(client); }
  void resume(Client& client) { fanout_.resume(client); }

  // ---- resume records
  /// Remembers how far the client was written to; confirm() makes that its resume position. A pong proves it.
  static void mark_sent(Client& client);
  /// True when some position moved.
  static bool confirm(Client& client);
  /// With the filters as the client said them: what it may see is asked again at a resume.
  [[nodiscard]] static std::vector<link::SessionSub> describe(const Client& client);
  [[nodiscard]] std::vector<Client*> take_changed();
  void note_changed(Client& client) { changed(client); }
  /// The ladder's end, to be closed as slow: blocked for fanout.slow_close_ms, behind for
  /// fanout.behind_close_ms, off the log again and again without reaching the head, or its private frames
  /// overflowed.
  [[nodiscard]] bool stuck(const Client& client) const;

  /// Subscriptions to the channel are on their way: it is wanted now, for cache.linger_ms at least.
  void expect(const std::string& channel);

  /// From now on deliveries of sampled updates are traced.
  void trace(trace::Tracer& tracer) noexcept { tracer_ = &tracer; }

  // ---- the link
  void attached(const link::Head& head, std::string_view lost);
  void updates(const std::string& channel, const std::vector<Record>& records);

  /// Every channel of interest; for figures, not for the path of updates.
  void each_feed(const std::function<void(const Feed&)>& see) const {
    for (const auto& [name, feed] : feeds_) see(*feed);
  }

  bool turn();
  /// A turn is wanted by then, whatever else happens.
  [[nodiscard]] std::optional<Instant> next_due() const { return fanout_.next_due(); }
  [[nodiscard]] bool pending() const noexcept { return fanout_.pending(); }
  void tick();

 private:
  Feed& feed(const std::string& name);
  Audience& audience(Client& client, Feed& feed, Filter filter);
  void drop_sub(Client& client, std::size_t index);
  void drop_audience(Audience& audience);
  void deliver(Feed& feed, const SharedUpdate& update);
  void append(Audience& audience, const SharedUpdate& update);
  void start_over(Feed& feed, LostReason reason);
  void beacon(Feed& feed, double share);
  void settle(Audience& audience, Sub& sub);
  void count_members();
  void measure_pass();

  Feed* find_feed(const std::string& name, std::uint64_t serial) override;
  void fail(Sub& sub, const Error& error) override;
  void changed(Client& client) override;

  const Config& config_;
  const Clock& clock_;
  BrokerPort& broker_;
  Metrics& metrics_;
  Fanout fanout_;
  Joiner joiner_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::uint32_t> free_slots_;
  std::unordered_map<std::string, std::unique_ptr<Feed>> feeds_;
  std::vector<Client*> changed_;
  std::vector<Audience*> candidates_;  ///< scratch
  std::uint64_t serials_ = 0;
  std::uint32_t numbers_ = 0;
  unsigned ticks_ = 0;
  Instant last_tick_{};
  trace::Tracer* tracer_ = nullptr;     ///< null: no traces
  std::vector<trace::Span> under_way_;  ///< of updates since the last pass
  std::int64_t arrived_ = 0;            ///< updates since the last pass
  std::int64_t arrived_us_ = 0;         ///< when the first of them came
};

}  // namespace tocsin::edge
