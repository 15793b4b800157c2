#include "edge/codec/server_frame.h"

#include <array>

#include "common/json/json.h"
#include "edge/codec/deflate.h"
#include "edge/codec/proto_frame.h"
#include "edge/codec/sse_frame.h"
#include "edge/codec/ws_frame.h"

namespace tocsin::edge {
namespace {

constexpr std::array<std::string_view, 4> kOutcomes{"live", "resumed", "snapshot", "lost"};
constexpr std::array<std::string_view, 8> kReasons{"",          "epoch_changed",  "too_old",      "future",
                                                   "malformed", "filter_changed", "unauthorized", "slow"};
constexpr std::array<std::string_view, 3> kRetries{"never", "backoff", "resync"};

void member(std::string& out, std::string_view name, std::string_view value) {
  out.append(",\"").append(name).append("\":");
  json::append_quoted(out, value);
}

void number(std::string& out, std::string_view name, std::int64_t value) {
  out.append(",\"").append(name).append("\":").append(std::to_string(value));
}

void offset_member(std::string& out, std::string_view name, Offset value) {
  out.append(",\"").append(name).append("\":").append(std::to_string(value));
}

std::string with_sub(std::string_view type, std::uint32_t sub) {
  std::string out = "{\"type\":\"";
  out.append(type).append("\",\"sub\":").append(std::to_string(sub));
  return out;
}

}  // namespace

std::string_view name_of(Outcome outcome) noexcept { return kOutcomes[static_cast<std::size_t>(outcome)]; }
std::string_view name_of(LostReason reason) noexcept { return kReasons[static_cast<std::size_t>(reason)]; }
std::string_view name_of(Retry retry) noexcept { return kRetries[static_cast<std::size_t>(retry)]; }

void append_position(std::string& out, Position position) {
  out.append("{\"epoch\":\"")
      .append(to_text(position.epoch))
      .append("\",\"offset\":")
      .append(std::to_string(position.offset))
      .append("}");
}

void append_framed(std::string& out, Encoding encoding, std::string_view message, Position id) {
  if (encoding.door == Door::sse) return sse::append_event(out, id, message);
  if (encoding.deflate) return ws::append_message(out, ws::opcode_of(encoding.door), message);
  ws::append_header(out, ws::opcode_of(encoding.door), message.size());
  out.append(message);
}

namespace frame {

std::string welcome(Door door, const Welcome& w) {
  if (door == Door::proto) return proto_frame::welcome(w);
  std::string out = "{\"type\":\"welcome\"";
  member(out, "session", w.session);
  if (!w.ticket.empty()) member(out, "ticket", w.ticket);
  member(out, "edge", w.edge);
  number(out, "keepalive_ms", w.keepalive_ms);
  number(out, "server_time", w.server_time);
  number(out, "retry_after_ms", w.retry_after_ms);
  return out.append(w.resumed ? ",\"resumed\":true}" : ",\"resumed\":false}");
}

std::string subscribed(Door door, const Subscribed& s) {
  if (door == Door::proto) return proto_frame::subscribed(s);
  std::string out = "{\"type\":\"subscribed\"";
  member(out, "id", s.id);
  number(out, "sub", s.sub);
  member(out, "channel", s.channel);
  out.append(",\"position\":");
  append_position(out, s.position);
  member(out, "outcome", name_of(s.outcome));
  if (s.reason != LostReason::none) member(out, "reason", name_of(s.reason));
  return out.append("}");
}

void append_update_prefix(std::string& out, Door door, std::uint32_t sub, Offset offset, std::size_t size) {
  if (door == Door::proto) return proto_frame::append_update_prefix(out, sub, offset, size);
  out.append("{\"type\":\"update\",\"sub\":")
      .append(std::to_string(sub))
      .append(",\"offset\":")
      .append(std::to_string(offset))
      .append(",");
}

std::string update(Door door, std::uint32_t sub, Offset offset, std::string_view body) {
  std::string out;
  out.reserve(body.size() + 64);
  append_update_prefix(out, door, sub, offset, body.size());
  return out.append(body).append(update_suffix(door));
}

std::string conflated(Door door, std::uint32_t sub, Offset offset, std::span<const Offset> replaces,
                      std::string_view body) {
  if (door == Door::proto) return proto_frame::conflated(sub, offset, replaces, body);
  std::string out;
  out.reserve(body.size() + 80 + replaces.size() * 8);
  append_update_prefix(out, door, sub, offset, 0);
  out.append("\"replaces\":[");
  for (std::size_t i = 0; i < replaces.size(); ++i) {
    if (i > 0) out.push_back(',');
    out.append(std::to_string(replaces[i]));
  }
  return out.append("],").append(body).append("}");
}

std::string skip(Door door, std::uint32_t sub, Offset from, Offset to) {
  if (door == Door::proto) return proto_frame::skip(sub, from, to);
  std::string out = with_sub("skip", sub);
  offset_member(out, "from", from);
  offset_member(out, "to", to);
  return out.append("}");
}

std::string head(Door door, std::uint32_t sub, Offset offset) {
  if (door == Door::proto) return proto_frame::head(sub, offset);
  std::string out = with_sub("head", sub);
  offset_member(out, "offset", offset);
  return out.append("}");
}

void append_incident(Door door, std::string& incidents, std::string_view json) {
  if (door == Door::proto) return proto_frame::append_incident(incidents, json);
  if (!incidents.empty()) incidents.push_back(',');
  incidents.append(json);
}

std::string snapshot(Door door, std::uint32_t sub, std::string_view incidents, bool last) {
  if (door == Door::proto) return proto_frame::snapshot(sub, incidents, last);
  std::string out = with_sub("snapshot", sub);
  out.reserve(out.size() + incidents.size() + 40);
  return out.append(",\"incidents\":[")
      .append(incidents)
      .append(last ? "],\"last\":true}" : "],\"last\":false}");
}

std::string published(Door door, std::string_view ref, std::string_view channel,
                      const link::PublishOutcome& outcome) {
  if (door == Door::proto) return proto_frame::published(ref, channel, outcome);
  std::string out = "{\"type\":\"published\"";
  if (!ref.empty()) member(out, "ref", ref);
  member(out, "channel", channel);
  out.append(",\"position\":");
  append_position(out, outcome.position);
  member(out, "durability", to_text(outcome.durability));
  out.append(outcome.duplicate ? ",\"duplicate\":true" : ",\"duplicate\":false");
  member(out, "event_id", outcome.event_id);
  if (outcome.version != 0) offset_member(out, "version", outcome.version);
  return out.append("}");
}

std::string error(Door door, const Error& error, About about) {
  if (door == Door::proto) return proto_frame::error(error, about);
  const auto& info = describe(error.code);
  std::string out = "{\"type\":\"error\"";
  member(out, "code", info.name);
  number(out, "status", info.wire_code);
  member(out, "message",
         error.detail.empty() ? std::string(info.text) : std::string(info.text) + ": " + error.detail);
  member(out, "retry", name_of(info.retry));
  if (!about.id.empty()) member(out, "id", about.id);
  if (!about.ref.empty()) member(out, "ref", about.ref);
  if (!about.reason.empty()) member(out, "reason", about.reason);
  return out.append("}");
}

std::string closing(Door door, CloseReason reason, std::string_view detail, std::string_view ticket,
                    std::int64_t retry_after_ms) {
  if (door == Door::proto) return proto_frame::closing(reason, detail, ticket, retry_after_ms);
  const auto& info = describe(reason);
  std::string out = "{\"type\":\"closing\",\"code\":" + std::to_string(info.code);
  member(out, "reason",
         detail.empty() ? std::string(info.text) : std::string(info.text) + ": " + std::string(detail));
  number(out, "retry_after_ms", retry_after_ms);
  if (!ticket.empty()) member(out, "ticket", ticket);
  return out.append("}");
}

std::string migrating(Door door, const Migrating& m) {
  if (door == Door::proto) return proto_frame::migrating(m);
  std::string out = "{\"type\":\"status\",\"status\":\"migrating\",\"details\":{\"new_endpoint\":";
  json::append_quoted(out, m.new_endpoint);
  number(out, "reconnect_after", m.reconnect_after);
  member(out, "resume_token", m.resume_token);
  number(out, "deadline", m.deadline);
  return out.append("}}");
}

std::string pong(Door door, std::string_view ref) {
  if (door == Door::proto) return proto_frame::pong(ref);
  std::string out = "{\"type\":\"pong\"";
  if (!ref.empty()) member(out, "ref", ref);
  return out.append("}");
}

}  // namespace frame
}  // namespace tocsin::edge
