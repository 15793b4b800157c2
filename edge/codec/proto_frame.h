#pragma once
// The frames of server_frame.h as tocsin.v1.ServerFrame messages (proto/client.proto), for the proto door.
// Pure functions, any thread.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "edge/codec/server_frame.h"

namespace tocsin::edge::proto_frame {

[[nodiscard]] std::string welcome(const frame::Welcome& welcome);
[[nodiscard]] std::string subscribed(const frame::Subscribed& subscribed);
/// What stands before a body of `size` bytes made by proto_update_body().
void append_update_prefix(std::string& out, std::uint32_t sub, Offset offset, std::size_t size);
[[nodiscard]] std::string conflated(std::uint32_t sub, Offset offset, std::span<const Offset> replaces,
                                    std::string_view body);
[[nodiscard]] std::string skip(std::uint32_t sub, Offset from, Offset to);
[[nodiscard]] std::string head(std::uint32_t sub, Offset offset);
/// `incidents` is a run of append_incident().
[[nodiscard]] std::string snapshot(std::uint32_t sub, std::string_view incidents, bool last);
void append_incident(std::string& out, std::string_view json);
[[nodiscard]] std::string published(std::string_view ref, std::string_view channel,
                                    const link::PublishOutcome& outcome);
[[nodiscard]] std::string error(const Error& error, frame::About about);
[[nodiscard]] std::string closing(CloseReason reason, std::string_view detail, std::string_view ticket,
                                  std::int64_t retry_after_ms);
[[nodiscard]] std::string migrating(const frame::Migrating& migrating);
[[nodiscard]] std::string pong(std::string_view ref);

}  // namespace tocsin::edge::proto_frame
