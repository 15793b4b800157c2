#pragma once
// StreamView: what a tail knows of its stream, without a socket. Takes frames of the client protocol, keeps
// the position, and checks the promise that positions seen plus positions skipped are contiguous; a hole is
// reported, never passed over. One thread.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "common/json/json.h"
#include "common/result.h"
#include "proto/filter.h"
#include "proto/update.h"

namespace tocsin::ops {

class StreamView {
 public:
  struct Wish {
    std::string channel;
    Filter filter;
    std::optional<Position> since;
    bool snapshot = false;
  };
  /// What a frame was; `text` has what there is to say about it.
  struct Seen {
    enum class What : std::uint8_t { nothing, subscribed, update, snapshot, gap, refused, closing };
    What what = What::nothing;
    std::string text;
    std::uint32_t retry_after_ms = 0;  ///< of closing
  };

  explicit StreamView(Wish wish) : wish_(std::move(wish)), position_(wish_.since) {}

  /// The frame to send on a new socket: asks for what follows the last position, or for the start as wished.
  [[nodiscard]] std::string subscribe_frame() const;
  /// Never fails: a frame that cannot be understood is a `refused` that says so. `document` is the parsed
  /// frame.
  [[nodiscard]] Seen take(const json::Value& document);

  [[nodiscard]] const std::optional<Position>& position() const noexcept { return position_; }
  [[nodiscard]] std::uint64_t updates() const noexcept { return updates_; }
  [[nodiscard]] std::uint64_t lost() const noexcept { return lost_; }

 private:
  [[nodiscard]] Seen on_subscribed(const json::Value& frame);
  /// Moves on to `last`, having seen `first`..`last`; what lies before `first` and was not seen is a gap.
  [[nodiscard]] Seen advance(Offset first, Offset last, Seen::What what);

  Wish wish_;
  std::optional<Position> position_;
  std::uint64_t updates_ = 0;
  std::uint64_t lost_ = 0;
};

}  // namespace tocsin::ops
