#pragma once
// Feeds: the channels of interest, each made whole. Live updates, heads and pages of the log come in as the
// wire gives them; what goes to FeedSink is contiguous and once.
//
//   want() -> asking --(head)--> attached: next offset, updates that wait behind a gap
//                                  |  a gap, a head ahead of us, or a foreign epoch: read the log after next
//                                  - 1 |    -> records: deliver, then what waited     -> nothing new: again
//                                  later
//                                  '--  -> position_lost: attach anew at the broker's head, say why
//
// Only an answer to our own read decides that an epoch changed: a message that was late must not undo it.
// Bound: what waits behind gaps is at most link.reorder_bytes; the rest is dropped and read again.
// Thread: the loop. The sink may call want() and unwant() from inside.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "edge/broker_port.h"
#include "edge/config.h"
#include "edge/link/link_wire.h"
#include "edge/link/requests.h"
#include "edge/metrics.h"

namespace tocsin::edge {

class Feeds {
 public:
  Feeds(const Config& config, const Clock& clock, LinkWire& wire, Requests& requests, Metrics& metrics);

  void attach_sink(FeedSink& sink) noexcept { sink_ = &sink; }

  void want(const std::string& channel);
  void unwant(const std::string& channel);

  /// A new session with the broker: it knows nothing of our interest.
  void online();
  void offline() noexcept { online_ = false; }
  /// From InterestAck and heartbeats.
  void on_head(const link::Head& head);
  void on_updates(link::Updates updates);
  void tick();

  [[nodiscard]] std::size_t size() const noexcept { return channels_.size(); }

 private:
  struct Channel {
    std::uint64_t life = 0;  ///< tells this want() from an earlier one of the same name
    bool attached = false;
    bool asked = false;  ///< Interest was sent in this session
    bool reading = false;
    bool suspect = false;   ///< another epoch was seen; a read will tell
    bool was_lost = false;  ///< history fell away while the head was unknown
    Instant heard_at{};     ///< of the last Interest or head
    Instant read_not_before{};
    Epoch epoch{};
    Offset next = 1;   ///< what the sink gets next
    Offset known = 0;  ///< the highest offset known to exist
    std::map<Offset, Record> waiting;

    [[nodiscard]] bool behind() const noexcept { return attached && (suspect || known >= next); }
  };

  Channel* find(const std::string& name, std::uint64_t life);
  void ask(const std::string& name, Channel& channel);
  void attach(const std::string& name, const link::Head& head, std::string_view lost);
  void take(const std::string& name, std::vector<Record> records);
  void deliver(const std::string& name, std::uint64_t life, std::vector<Record> run);
  void keep_behind_gap(Channel& channel, Record record);
  void forget_below(Channel& channel, Offset next);
  std::vector<Record> release(Channel& channel);
  void repair(const std::string& name, Channel& channel);
  void on_read(const std::string& name, std::uint64_t life, Result<link::Message> answer);
  void on_page(const std::string& name, std::uint64_t life, link::ReadResult page);
  void set_waiting_bytes(std::size_t bytes);

  const Config& config_;
  const Clock& clock_;
  LinkWire& wire_;
  Requests& requests_;
  Metrics& metrics_;
  FeedSink* sink_ = nullptr;
  bool online_ = false;
  std::uint64_t lives_ = 0;
  std::map<std::string, Channel, std::less<>> channels_;
  std::size_t waiting_bytes_ = 0;
  Instant stray_said_at_{};
};

}  // namespace tocsin::edge
