#pragma once
// What an edge says (PROTOCOL.md section 4): the JSON of each frame, and its bytes for a door. Pure functions, any thread.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "common/close.h"
#include "common/result.h"
#include "edge/codec/door.h"
#include "proto/link_message.h"
#include "proto/update.h"

namespace tocsin::edge {

/// Wraps JSON as the encoding's bytes and appends it. `id` is what an SSE client resumes from; default: none.
void append_framed(std::string& out, Encoding encoding, std::string_view json, Position id = {});

enum class Outcome : std::uint8_t { live, resumed, snapshot, lost };
/// Why a position could not be honoured; none for live and resumed.
enum class LostReason : std::uint8_t { none, epoch_changed, too_old, future, malformed, filter_changed, unauthorized, slow };

[[nodiscard]] std::string_view name_of(Outcome outcome) noexcept;
[[nodiscard]] std::string_view name_of(LostReason reason) noexcept;

namespace frame {

struct Welcome {
  std::string_view session;
  std::string_view ticket;  ///< empty until the cluster's key is known: left out
  std::string_view edge;
  std::int64_t keepalive_ms = 0;
  std::int64_t server_time = 0;
  bool resumed = false;
};
[[nodiscard]] std::string welcome(const Welcome& welcome);

struct Subscribed {
  std::string_view id;
  std::uint32_t sub = 0;
  std::string_view channel;
  Position position;
  Outcome outcome = Outcome::live;
  LostReason reason = LostReason::none;
};
[[nodiscard]] std::string subscribed(const Subscribed& subscribed);

/// {"type":"update","sub":7,"offset":18, - what stands before update_members_json() and a closing brace.
void append_update_prefix(std::string& out, std::uint32_t sub, Offset offset);
[[nodiscard]] std::string update(std::uint32_t sub, Offset offset, std::string_view members);
/// An update that stands for older ones of its key; `replaces` may be empty inside a conflated batch.
[[nodiscard]] std::string conflated(std::uint32_t sub, Offset offset, std::span<const Offset> replaces, std::string_view members);
[[nodiscard]] std::string skip(std::uint32_t sub, Offset from, Offset to);
[[nodiscard]] std::string head(std::uint32_t sub, Offset offset);
/// `incidents` is the inside of the array: JSON objects with commas between.
[[nodiscard]] std::string snapshot(std::uint32_t sub, std::string_view incidents, bool last);

[[nodiscard]] std::string published(std::string_view ref, std::string_view channel, const link::PublishOutcome& outcome);

/// What an error is about: the subscription's id, the publish's or ping's ref, or nothing.
struct About {
  std::string_view id;
  std::string_view ref;
};
[[nodiscard]] std::string error(const Error& error, About about);
[[nodiscard]] std::string closing(CloseReason reason, std::string_view detail, std::string_view ticket);
[[nodiscard]] std::string pong(std::string_view ref);

}  // namespace frame

/// never | backoff | resync
[[nodiscard]] std::string_view name_of(Retry retry) noexcept;
/// {"epoch":"..","offset":17}
void append_position(std::string& out, Position position);

}  // namespace tocsin::edge
