#pragma once
// Announcer: the publisher. At a steady rate, at least once with the same event_id until it is answered, over
// one socket that moves when it is told to and comes back when it is cut.
//
// Invariant: an update is acknowledged, or among `waiting_`, oldest first; at most kWindow of these are under
// way. Thread: one.
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "tools/loadgen/roam/roamer.h"

namespace tocsin::loadgen::roam {

struct Rhythm {
  std::string channel = "roam";
  std::uint32_t channels = 1;
  double rate = 0;  ///< updates per second, over all channels
  std::uint32_t payload_bytes = 64;
};

class Announcer final : public LegOwner {
 public:
  Announcer(Host& host, Rhythm rhythm, History* history, Clock::time_point zero);

  void start(Clock::time_point now);
  void stop() noexcept { publishing_ = false; }
  /// Publishes what is due, and comes back when it is time. Called often.
  void tick(Clock::time_point now);
  /// As Roamer::refresh().
  void refresh();

  [[nodiscard]] std::string channel(std::uint64_t share) const;
  [[nodiscard]] const std::vector<bool>& acknowledged(std::uint64_t share) const { return acked_[share]; }
  [[nodiscard]] std::uint64_t count(std::uint64_t share) const { return counts_[share]; }
  [[nodiscard]] std::uint64_t published() const noexcept { return published_; }
  [[nodiscard]] bool all_answered() const noexcept { return waiting_.empty(); }
  [[nodiscard]] std::uint64_t repeated() const noexcept { return repeated_; }

  void welcomed(Leg& leg, bool resumed) override;
  void subscribed(Leg&, const Position&, std::string_view) override {}
  void told(Leg&, std::uint64_t, std::uint64_t, std::string_view) override {}
  void migrating(Leg& leg, const Migration& offer) override;
  void answered(Leg& leg, std::string_view frame, bool accepted) override;
  void refused(Leg&, std::string_view) override {}
  void ended(Leg& leg) override;

 private:
  struct Item {
    std::uint64_t index = 0;
    std::uint64_t due_us = 0;
    bool sent = false;  ///< on the socket of now
    bool said = false;  ///< ever
  };
  void send_some();
  [[nodiscard]] std::string update(const Item& item) const;
  void dial(const Target& target, const std::string& ticket);

  Host& host_;
  const Rhythm rhythm_;
  History* const history_;
  const Clock::time_point zero_;
  Clock::time_point begin_;
  bool publishing_ = false;
  std::uint64_t published_ = 0;
  std::uint64_t repeated_ = 0;
  std::deque<Item> waiting_;
  std::vector<std::vector<bool>> acked_;  // by share, by number
  std::vector<std::uint64_t> counts_;
  Leg* current_ = nullptr;
  Leg* next_ = nullptr;
  std::string ticket_;
  std::uint32_t turn_ = 0;
  std::uint32_t sockets_ = 0;
  Clock::time_point dial_at_;
  Clock::time_point again_at_;
  Migration offer_;
  Clock::time_point move_at_ = Clock::time_point::max();
};

}  // namespace tocsin::loadgen::roam
