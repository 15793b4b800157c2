#pragma once
// TicketKeys: the keys that sign and verify tickets, kept with the log, renewed while the cluster runs.
//
//   made --(kSpread, or the interval of renewal if that is less)--> signs --(a newer one signs)--> verifies
//        --(session.ticket_key_keep_s)--> gone
//
// Edges are told of a key before it signs, so that none meets a ticket that it cannot verify. All of it
// follows from the times at which the keys were made, which are stored.
//
// Invariant: an edge is told of a key after it is durable; there is one that signs. Thread: the loop.
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "broker/config.h"
#include "broker/log/log_store.h"
#include "broker/seq/sequencer.h"
#include "common/clock.h"

namespace tocsin::broker {

class TicketKeys {
 public:
  using Random = std::function<std::uint64_t()>;

  TicketKeys(const Config& config, LogStore& store, Sequencer& sequencer, const Clock& clock, Random random)
      : config_(config), store_(store), sequencer_(sequencer), clock_(clock), random_(std::move(random)) {}

  /// Reads the keys, or makes the first. Fails with corrupt or io.
  [[nodiscard]] Status open();
  /// Makes a key that is due and forgets those that are over, as long as updates are taken.
  void tick();
  /// All that verify, the one that signs first.
  [[nodiscard]] std::vector<std::string> current() const;

 private:
  struct Key {
    std::string bytes;
    std::int64_t made_ms = 0;
  };
  [[nodiscard]] Key make() const;
  [[nodiscard]] std::int64_t signs_from(const Key& key) const;
  void store(std::vector<Key> keys);
  [[nodiscard]] static std::string text_of(const std::vector<Key>& keys);
  [[nodiscard]] static Result<std::vector<Key>> keys_of(const std::string& text);

  const Config& config_;
  LogStore& store_;
  Sequencer& sequencer_;
  const Clock& clock_;
  Random random_;
  std::vector<Key> keys_;  ///< oldest first
  bool storing_ = false;
  Instant next_look_{};
};

}  // namespace tocsin::broker
