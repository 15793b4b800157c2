#pragma once
// AudienceLog: the ready-made frames of one audience, contiguous, with an index of where each ends. A
// client's whole queue is a cursor into it.
//
// Invariant: frames cover the offsets (floor(), covered()] without a hole, in order, each once; begin() <=
// every cursor <= end(). Cursors are absolute and survive trimming at the front as well as frames put in
// front (prepend). Thread: the loop.
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "edge/codec/door.h"
#include "edge/hub/feed_update.h"

namespace tocsin::edge {

class AudienceLog {
 public:
  using Cursor = std::uint64_t;
  struct Frame {
    Cursor end;
    Offset from;  ///< from == to + 1 for a head
    Offset to;
    SharedUpdate update;  ///< null for a skip or a head
  };

  AudienceLog(Encoding encoding, std::uint32_t sub);

  /// Forgets everything; the log then stands at `position`.
  void reset(Position position);

  [[nodiscard]] Cursor begin() const noexcept { return begin_; }
  [[nodiscard]] Cursor end() const noexcept { return begin_ + buffer_.size() - front_; }
  [[nodiscard]] std::size_t size() const noexcept { return buffer_.size() - front_; }
  [[nodiscard]] Offset floor() const noexcept { return floor_; }
  [[nodiscard]] Offset covered() const noexcept { return covered_; }

  /// Appends the frame of `update`, and before it a skip of what lies between covered() and it.
  void append(const SharedUpdate& update);
  /// Declares everything up to `to` as not for this audience. Nothing when already covered.
  void skip_to(Offset to);
  /// Appends a head at covered().
  void append_head();
  /// Puts the matching updates of (from, floor()] in front. `updates` are those, oldest first.
  void prepend(Offset from, const std::deque<SharedUpdate>& updates);

  /// Whole frames from `from`: as many as fit in `max` bytes, at least one if there is any. Valid until the
  /// log changes.
  [[nodiscard]] std::string_view batch(Cursor from, std::size_t max) const;
  /// Number of frames in [from, to).
  [[nodiscard]] std::size_t frames_between(Cursor from, Cursor to) const;
  [[nodiscard]] std::size_t first_frame(Cursor from) const;
  [[nodiscard]] const std::deque<Frame>& frames() const noexcept { return frames_; }
  [[nodiscard]] std::string_view bytes(const Frame& frame, std::size_t index) const;

  /// The last offset declared before `cursor`.
  [[nodiscard]] Offset position_at(Cursor cursor) const;
  struct Place {
    Cursor cursor;
    Offset skip_to = 0;  ///< not 0: declare (after, skip_to] privately first, the frame there began earlier
  };
  /// Where a client that has everything up to `after` goes on. nullopt when the log does not reach back or
  /// forth so far.
  [[nodiscard]] std::optional<Place> find(Offset after) const;

  /// Frees the frames before `cursor`, which is a frame boundary.
  void trim_to(Cursor cursor);
  /// Gives memory back when nothing is unsent.
  void release();

 private:
  void frame_update(std::string& out, const FeedUpdate& update) const;
  void frame_skip(std::string& out, Offset from, Offset to) const;
  void add_frame(Offset from, Offset to, const SharedUpdate& update) {
    frames_.push_back({end(), from, to, update});
  }

  Encoding encoding_;
  std::uint32_t sub_;
  Epoch epoch_{};
  std::string buffer_;
  std::size_t front_ = 0;  ///< dead bytes before begin_
  Cursor begin_;
  Offset floor_ = 0;
  Offset covered_ = 0;
  std::deque<Frame> frames_;
};

}  // namespace tocsin::edge
