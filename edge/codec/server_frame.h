#pragma once
// What an edge says (PROTOCOL.md section 4): the message that each frame carries for a door - JSON, or
// Protocol Buffers for the proto door - and the bytes of the frame around it. Pure functions, any thread.
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

/// Wraps a message as the encoding's bytes and appends it. `id` is what an SSE client resumes from; default:
/// none.
void append_framed(std::string& out, Encoding encoding, std::string_view message, Position id = {});

enum class Outcome : std::uint8_t { live, resumed, snapshot, lost };
/// Why a position could not be honoured; none for live and resumed.
enum class LostReason : std::uint8_t {
  none,
  epoch_changed,
  too_old,
  future,
  malformed,
  filter_changed,
  unauthorized,
  slow
};

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
  std::int64_t retry_after_ms = 0;  ///< before it comes back, should its socket be cut
};
[[nodiscard]] std::string welcome(Door door, const Welcome& welcome);

struct Subscribed {
  std::string_view id;
  std::uint32_t sub = 0;
  std::string_view channel;
  Position position;
  Outcome outcome = Outcome::live;
  LostReason reason = LostReason::none;
};
[[nodiscard]] std::string subscribed(Door door, const Subscribed& subscribed);

// An update's body is update_members_json(), or proto_update_body() for the proto door.

/// What stands before a body of `size` bytes; update_suffix() stands behind it.
void append_update_prefix(std::string& out, Door door, std::uint32_t sub, Offset offset, std::size_t size);
[[nodiscard]] constexpr std::string_view update_suffix(Door door) noexcept {
  return door == Door::proto ? "" : "}";
}
[[nodiscard]] std::string update(Door door, std::uint32_t sub, Offset offset, std::string_view body);
/// An update that stands for older ones of its key; `replaces` may be empty inside a conflated batch.
[[nodiscard]] std::string conflated(Door door, std::uint32_t sub, Offset offset,
                                    std::span<const Offset> replaces, std::string_view body);
[[nodiscard]] std::string skip(Door door, std::uint32_t sub, Offset from, Offset to);
[[nodiscard]] std::string head(Door door, std::uint32_t sub, Offset offset);
/// `incidents` is a run of append_incident().
[[nodiscard]] std::string snapshot(Door door, std::uint32_t sub, std::string_view incidents, bool last);
void append_incident(Door door, std::string& incidents, std::string_view json);

[[nodiscard]] std::string published(Door door, std::string_view ref, std::string_view channel,
                                    const link::PublishOutcome& outcome);

/// What an error is about: the subscription's id, the publish's or ping's ref, or nothing; and which of the
/// reasons that its code has, where a client may act on it.
struct About {
  std::string_view id;
  std::string_view ref;
  std::string_view reason{};
};
[[nodiscard]] std::string error(Door door, const Error& error, About about);
/// `retry_after_ms`: the reason's own unless this client is told another.
[[nodiscard]] std::string closing(Door door, CloseReason reason, std::string_view detail,
                                  std::string_view ticket, std::int64_t retry_after_ms);
[[nodiscard]] inline std::string closing(Door door, CloseReason reason, std::string_view detail,
                                         std::string_view ticket) {
  return closing(door, reason, detail, ticket, describe(reason).retry_after_ms);
}

/// Where to go, when, with what, and how long this socket waits for it, in ms from now.
struct Migrating {
  std::string_view new_endpoint;
  std::int64_t reconnect_after = 0;
  std::string_view resume_token;
  std::int64_t deadline = 0;
};
[[nodiscard]] std::string migrating(Door door, const Migrating& migrating);
[[nodiscard]] std::string pong(Door door, std::string_view ref);

}  // namespace frame

/// never | backoff | resync
[[nodiscard]] std::string_view name_of(Retry retry) noexcept;
/// {"epoch":"..","offset":17}
void append_position(std::string& out, Position position);

}  // namespace tocsin::edge
