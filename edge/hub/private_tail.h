#pragma once
// PrivateTail: frames that are one client's own (replies, replays, snapshots), in order, ahead of what its
// audiences have for it. Snapshots that several clients get are shared pieces and count once, for whoever
// holds them.
//
// Invariant: pieces hold whole frames; own_bytes() is what this client alone keeps alive. Thread: the loop.
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tocsin::edge {

/// Whole frames and where each ends.
struct FrameRun {
  std::string bytes;
  std::vector<std::size_t> ends;

  /// Marks everything appended to `bytes` since the last call as one frame.
  void close_frame() { ends.push_back(bytes.size()); }
};

class PrivateTail {
 public:
  [[nodiscard]] bool empty() const noexcept { return pieces_.empty(); }
  [[nodiscard]] std::size_t own_bytes() const noexcept { return own_bytes_; }
  /// Unsent bytes, shared ones included.
  [[nodiscard]] std::size_t unsent() const noexcept { return unsent_; }

  /// One whole frame.
  void append(std::string_view frame);
  void append(std::shared_ptr<const FrameRun> run);

  /// Whole frames at the front that fit in `max`, at least one. Stays valid until take().
  [[nodiscard]] std::string_view front(std::size_t max) const;
  /// Removes `size` bytes that front() returned.
  void take(std::size_t size);
  /// Drops what is left of every run. True: there was one.
  bool drop_runs();

 private:
  struct Piece {
    std::shared_ptr<const FrameRun> shared;  ///< null: `own` holds the frames
    FrameRun own;
    std::size_t sent = 0;
    std::size_t next = 0;  ///< index of the first unsent frame
    [[nodiscard]] const FrameRun& run() const noexcept { return shared ? *shared : own; }
  };
  std::deque<Piece> pieces_;
  std::size_t own_bytes_ = 0;
  std::size_t unsent_ = 0;
};

}  // namespace tocsin::edge
