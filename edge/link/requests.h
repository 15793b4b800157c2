#pragma once
// Requests: what the edge asked of the broker and has no answer to yet. Gives refs, repeats what is safe to
// repeat, keeps publishes within the broker's window, and answers `unavailable` itself at the deadline.
//
//   ask() -> waiting --(online, window)--> sent --(answer | deadline)--> gone
//              ^-------- online() again, or silence of kRepeatAfter --------|
//
// Invariant: each handler is called exactly once, never from inside ask(). Thread: the loop.
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/result.h"
#include "edge/link/link_wire.h"
#include "edge/metrics.h"
#include "proto/link_message.h"

namespace tocsin::edge {

class Requests {
 public:
  using Handler = std::function<void(Result<link::Message>)>;

  /// Whether a request without an answer may be sent again: a question may, a claim of a session may not.
  enum class Again : std::uint8_t { yes, never };

  struct Limits {
    Millis timeout;
    std::size_t publish_bytes;
  };

  Requests(Limits limits, const Clock& clock, LinkWire& wire, std::uint64_t first_ref, Metrics& metrics);

  /// The number for the next message; refs grow by one.
  [[nodiscard]] std::uint64_t next_ref() noexcept { return next_ref_++; }

  void ask(std::uint64_t ref, std::string bytes, Again again, Handler handler);
  /// Refused with overloaded (on a later turn) when limits.publish_bytes are unanswered already.
  void publish(std::uint64_t ref, std::string bytes, std::uint32_t drafts, Handler handler);
  /// Calls `handler` with `error` on the next tick.
  void refuse(Error error, Handler handler);

  /// An answer came. False when nobody waits for it (any more).
  bool answer(std::uint64_t ref, link::Message message);
  /// A new session with the broker: everything unanswered is sent again; what may not be is answered
  /// `unavailable`.
  void online(std::uint32_t publish_window);
  void offline() noexcept { online_ = false; }
  void tick();

  [[nodiscard]] std::size_t unanswered() const noexcept { return open_.size(); }

 private:
  enum class Stage : std::uint8_t { waiting, sent };
  struct Open {
    std::string bytes;
    Handler handler;
    Instant deadline;
    Instant sent_at;
    std::uint32_t drafts;  ///< 0: not a publish
    Again again;
    Stage stage;
    std::uint64_t wire_ref;  ///< under which it was last sent
  };

  void pump(std::deque<std::uint64_t>& queue);
  bool send(Open& open);
  Open take(std::map<std::uint64_t, Open>::iterator it);
  void repeat_silent(Instant now);
  /// A publish that is sent again gets a new ref: the answer to the first copy may say `conflict` while the
  /// second is accepted, and only the last copy's answer is the truth.
  void rename(std::uint64_t ref, Open& open);

  const Limits limits_;
  const Clock& clock_;
  LinkWire& wire_;
  Metrics& metrics_;
  std::uint64_t next_ref_;
  bool online_ = false;
  std::map<std::uint64_t, Open> open_;  ///< by ref: in the order they were asked, so also by deadline
  std::map<std::uint64_t, std::uint64_t> renamed_;  ///< wire ref -> ref, of publishes that were sent again
  std::deque<std::uint64_t> waiting_;
  std::deque<std::uint64_t> waiting_publishes_;
  std::vector<std::pair<Error, Handler>> refused_;
  std::size_t publish_bytes_ = 0;
  std::uint64_t publish_in_flight_ = 0;
  std::uint64_t publish_window_ = 0;
};

}  // namespace tocsin::edge
