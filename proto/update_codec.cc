// The bytes of an update as the log keeps them and the link carries them: message UpdateBody of link.proto.
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
}

/// False for a field that is not of UpdateBody.
bool take_field(const wire::Field& f, Update& u) {
  if (f.number == 10 && f.type == wire::Type::varint) return u.ends = f.value != 0, true;
  if (f.type != wire::Type::bytes) return false;
  switch (f.number) {
    case 1: u.event_id = f.bytes; return true;
    case 2: u.kind = f.bytes; return true;
    case 3: u.key = f.bytes; return true;
    case 4: u.at = f.bytes; return true;
    case 5: u.actor = f.bytes; return true;
    case 6: u.changed.emplace_back(f.bytes); return true;
    case 7: u.incident = f.bytes; return true;
    case 8: u.event_name = f.bytes; return true;
    case 9: u.event_data = f.bytes; return true;
    default: return false;
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
  for (wire::Field f; in.next(f);) take_field(f, u);
  if (in.broken()) return Error{Errc::corrupt, "the update at offset " + std::to_string(record.offset)};
  return u;
}

Result<std::string> event_id_of(std::string_view bytes) {
  std::string out;
  wire::Reader in(bytes);
  for (wire::Field f; in.next(f);)
    if (f.number == 1 && f.type == wire::Type::bytes) out = f.bytes;
  if (in.broken()) return Error{Errc::corrupt, "a stored update"};
  return out;
}

}  // namespace tocsin::link
