#include "edge/codec/proto_frame.h"

#include "edge/codec/proto_update.h"
#include "edge/codec/protobuf_writer.h"

namespace tocsin::edge::proto_frame {
namespace {

using protobuf::append_varint;
using protobuf::varint_size;
using protobuf::Writer;

/// Numbers of ServerFrame's fields.
enum Frame : std::uint32_t {
  kWelcome = 1,
  kSubscribed,
  kSnapshot,
  kUpdate,
  kSkip,
  kHead,
  kPublished,
  kStatus,
  kError,
  kClosing,
  kPong
};
constexpr std::uint32_t kSnapshotIncidents = 2;

std::string framed(Frame which, std::string_view message) {
  std::string out;
  out.reserve(message.size() + 6);
  Writer(out).present_text(which, message);
  return out;
}

std::string position(Position p) {
  std::string out;
  Writer w(out);
  w.fixed64(1, static_cast<std::uint64_t>(p.epoch));
  w.number(2, p.offset);
  return out;
}

std::string with_detail(std::string_view text, std::string_view detail) {
  return detail.empty() ? std::string(text) : std::string(text) + ": " + std::string(detail);
}

}  // namespace

std::string welcome(const frame::Welcome& welcome) {
  std::string out;
  Writer w(out);
  w.text(1, welcome.session);
  w.text(2, welcome.ticket);
  w.text(3, welcome.edge);
  w.number(4, static_cast<std::uint64_t>(welcome.keepalive_ms));
  w.number(5, static_cast<std::uint64_t>(welcome.server_time));
  w.number(6, welcome.resumed ? 1 : 0);
  w.number(7, static_cast<std::uint64_t>(welcome.retry_after_ms));
  return framed(kWelcome, out);
}

std::string subscribed(const frame::Subscribed& s) {
  std::string out;
  Writer w(out);
  w.text(1, s.id);
  w.number(2, s.sub);
  w.text(3, s.channel);
  w.present_text(4, position(s.position));
  w.text(5, name_of(s.outcome));
  w.text(6, name_of(s.reason));
  return framed(kSubscribed, out);
}

void append_update_prefix(std::string& out, std::uint32_t sub, Offset offset, std::size_t size) {
  Writer w(out);
  w.open(kUpdate, 2 + varint_size(sub) + varint_size(offset) + size);
  w.present_number(1, sub);
  w.present_number(2, offset);
}

std::string conflated(std::uint32_t sub, Offset offset, std::span<const Offset> replaces,
                      std::string_view body) {
  std::string out;
  Writer w(out);
  w.number(1, sub);
  w.number(2, offset);
  if (!replaces.empty()) {
    std::string packed;
    for (const Offset old : replaces) append_varint(packed, old);
    w.present_text(3, packed);
  }
  w.number(4, 1);
  out.append(body);
  return framed(kUpdate, out);
}

std::string skip(std::uint32_t sub, Offset from, Offset to) {
  std::string out;
  Writer w(out);
  w.number(1, sub);
  w.number(2, from);
  w.number(3, to);
  return framed(kSkip, out);
}

std::string head(std::uint32_t sub, Offset offset) {
  std::string out;
  Writer w(out);
  w.number(1, sub);
  w.number(2, offset);
  return framed(kHead, out);
}

std::string snapshot(std::uint32_t sub, std::string_view incidents, bool last) {
  std::string rest;
  Writer w(rest);
  w.number(1, sub);
  w.number(3, last ? 1 : 0);
  std::string out;
  out.reserve(incidents.size() + rest.size() + 12);
  Writer(out).open(kSnapshot, incidents.size() + rest.size());
  return out.append(rest).append(incidents);
}

void append_incident(std::string& out, std::string_view json) {
  Writer(out).present_text(kSnapshotIncidents, proto_incident(json));
}

std::string published(std::string_view ref, std::string_view channel, const link::PublishOutcome& outcome) {
  std::string out;
  Writer w(out);
  w.text(1, ref);
  w.text(2, channel);
  w.present_text(3, position(outcome.position));
  w.text(4, to_text(outcome.durability));
  w.number(5, outcome.duplicate ? 1 : 0);
  w.text(6, outcome.event_id);
  w.number(7, outcome.version);
  return framed(kPublished, out);
}

std::string error(const Error& error, frame::About about) {
  const auto& info = describe(error.code);
  std::string out;
  Writer w(out);
  w.text(1, info.name);
  w.number(2, static_cast<std::uint64_t>(info.wire_code));
  w.text(3, with_detail(info.text, error.detail));
  w.text(4, name_of(info.retry));
  w.text(5, about.id);
  w.text(6, about.ref);
  w.text(7, about.reason);
  return framed(kError, out);
}

std::string migrating(const frame::Migrating& m) {
  std::string details;
  Writer w(details);
  w.text(1, m.new_endpoint);
  w.number(2, static_cast<std::uint64_t>(m.reconnect_after));
  w.text(3, m.resume_token);
  w.number(4, static_cast<std::uint64_t>(m.deadline));
  std::string out;
  Writer status(out);
  status.text(1, "migrating");
  status.present_text(2, details);
  return framed(kStatus, out);
}

std::string closing(CloseReason reason, std::string_view detail, std::string_view ticket,
                    std::int64_t retry_after_ms) {
  const auto& info = describe(reason);
  std::string out;
  Writer w(out);
  w.number(1, static_cast<std::uint64_t>(info.code));
  w.text(2, with_detail(info.text, detail));
  w.number(3, static_cast<std::uint64_t>(retry_after_ms));  // -1: never
  w.text(4, ticket);
  return framed(kClosing, out);
}

std::string pong(std::string_view ref) {
  std::string out;
  Writer(out).text(1, ref);
  return framed(kPong, out);
}

}  // namespace tocsin::edge::proto_frame
