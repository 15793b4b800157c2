// The bytes of an update as the log keeps them and the link carries them: message UpdateBody of link.proto.
#include "common/json/json.h"
#include "proto/link_message.h"
#include "proto/wire.h"

namespace tocsin::link {
namespace {

template <typename Sink>
void put_body(Sink& to, const Update& u) {
  wire::put_bytes(to, 1, u.event_id);
  wire::put_bytes(to, 2, u.kind);
  wire::put_bytes(to, 3, u.key);
  wire::put_bytes(to, 4, u.at);
  wire::put_bytes(to, 5, u.actor);
  for (const auto& name : u.changed) wire::put_element(to, 6, name);
  wire::put_bytes(to, 7, u.incident);
  wire::put_bytes(to, 8, u.event_name);
  wire::put_bytes(to, 9, u.event_data);
  wire::put_number(to, 10, u.ends ? 1 : 0);
  wire::put_bytes(to, 11, u.trace);
}

/// False for a text that is not UTF-8; a field that is not of UpdateBody is passed over.
bool take_field(const wire::Field& f, Update& u) {
  if (f.number == 10 && f.type == wire::Type::varint) u.ends = f.value != 0;
  if (f.type != wire::Type::bytes) return true;
  switch (f.number) {
    case 1:
      return wire::take_text(f.bytes, u.event_id);
    case 2:
      return wire::take_text(f.bytes, u.kind);
    case 3:
      return wire::take_text(f.bytes, u.key);
    case 4:
      return wire::take_text(f.bytes, u.at);
    case 5:
      return wire::take_text(f.bytes, u.actor);
    case 6:
      return wire::take_text(f.bytes, u.changed.emplace_back());
    case 7:
      u.incident = f.bytes;
      return true;
    case 8:
      return wire::take_text(f.bytes, u.event_name);
    case 9:
      u.event_data = f.bytes;
      return true;
    case 11:
      u.trace = f.bytes;
      return true;
    default:
      return true;
  }
}

}  // namespace

std::string encode_update(const Update& u) {
  wire::Counter counter;
  put_body(counter, u);
  std::string out;
  out.reserve(counter.size());
  wire::Writer writer(out);
  put_body(writer, u);
  return out;
}

Result<Update> decode_update(const Record& record) {
  Update u;
  u.offset = record.offset;
  wire::Reader in(*record.bytes);
  bool whole = true;
  for (wire::Field f; whole && in.next(f);) whole = take_field(f, u);
  if (!whole || in.broken())
    return Error{Errc::corrupt, "the update at offset " + std::to_string(record.offset)};
  return u;
}

Result<std::string> event_id_of(std::string_view bytes) {
  std::string out;
  wire::Reader in(bytes);
  bool whole = true;
  for (wire::Field f; whole && in.next(f);) {
    const bool text = f.type == wire::Type::bytes && f.number <= 8 && f.number != 7;
    whole = !text || json::valid_utf8(f.bytes);
    if (text && f.number == 1) out = f.bytes;
  }
  if (!whole || in.broken()) return Error{Errc::corrupt, "a stored update"};
  return out;
}

}  // namespace tocsin::link
