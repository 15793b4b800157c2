#pragma once
// PublishWindow: the publisher's half of the link, without a socket. Drafts go out in batches, in order,
// never more unanswered than the broker's window; what is unanswered when the link breaks goes out again, in
// the same order.
//
//   add() -> waiting -> next() -> in flight -> on_result() -> outcomes, in order of add()
//                          ^________ on_reconnected() ________|
//
// Invariant: every draft gets exactly one outcome. Each must carry an event_id, or a resend would not be
// deduplicated. An outcome whose code says "later" is no outcome: the draft and those behind it go out again
// after a pause. Thread: one; calls nothing.
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "common/clock.h"
#include "proto/link_message.h"

namespace tocsin::ops {

class PublishWindow {
 public:
  struct Limits {
    std::size_t batch = 256;  ///< drafts in one message
    std::size_t batch_bytes = std::size_t{512} << 10;
    std::size_t waiting = 4096;
    Millis pause{200};  ///< before drafts that were refused for now go out again
  };
  struct Outcome {
    std::uint64_t number = 0;  ///< of the draft, counted from 0 in order of add()
    link::PublishOutcome outcome;
    Millis took{};  ///< from the first send to the answer
  };

  PublishWindow() : PublishWindow(Limits{}) {}
  explicit PublishWindow(Limits limits) : limits_(limits) {}

  [[nodiscard]] bool full() const noexcept { return waiting_.size() >= limits_.waiting; }
  [[nodiscard]] bool idle() const noexcept { return waiting_.empty() && flight_.empty(); }
  [[nodiscard]] std::size_t unanswered() const noexcept { return in_flight_; }
  [[nodiscard]] std::uint64_t resent() const noexcept { return resent_; }

  void add(Draft draft);
  /// How many drafts the broker lets be unanswered (Welcome.publish_window); 0 counts as one batch.
  void set_window(std::uint32_t drafts) noexcept { window_ = drafts; }
  /// The next message to send, or nothing while the window is full, a pause lasts or nothing waits.
  [[nodiscard]] std::optional<link::Publish> next(Instant now);
  /// Takes the answer to a message. One to a message that is not in flight is ignored (it was resent, and
  /// answered twice).
  [[nodiscard]] std::vector<Outcome> on_result(link::PublishResult result, Instant now);
  /// The link is new: everything unanswered waits again, before all else.
  void on_reconnected();

 private:
  struct Entry {
    std::uint64_t number;
    std::size_t bytes;
    bool sent_before;
    Instant first_sent;
    Draft draft;
  };
  struct Flight {
    std::uint64_t ref;
    std::vector<Entry> entries;
  };
  void requeue(std::vector<Entry> entries);

  Limits limits_;
  std::deque<Entry> waiting_;
  std::deque<Flight> flight_;
  std::size_t in_flight_ = 0;
  std::uint32_t window_ = 0;
  std::uint64_t next_number_ = 0;
  std::uint64_t next_ref_ = 1;
  std::uint64_t resent_ = 0;
  std::optional<Instant> paused_until_;
};

}  // namespace tocsin::ops
