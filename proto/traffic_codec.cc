#include "proto/traffic_codec.h"

#include <utility>

#include "proto/wire.h"

namespace tocsin::link {
namespace {

// Fields of LinkFrame.
constexpr std::uint32_t kPublish = 4;
constexpr std::uint32_t kUpdates = 37;
constexpr std::uint32_t kPublishResult = 38;

constexpr std::uint64_t raw(Epoch e) noexcept { return static_cast<std::uint64_t>(e); }

template <typename Sink>
void put(Sink& to, const Draft& d) {
  wire::put_bytes(to, 1, d.channel);
  wire::put_bytes(to, 2, d.event_id);
  wire::put_bytes(to, 3, d.kind);
  wire::put_bytes(to, 4, d.key);
  wire::put_bytes(to, 5, d.at);
  wire::put_bytes(to, 6, d.actor);
  wire::put_bytes(to, 7, d.incident);
  wire::put_bytes(to, 8, d.event_name);
  wire::put_bytes(to, 9, d.event_data);
  if (d.if_version) wire::put_present(to, 10, *d.if_version);
  wire::put_bytes(to, 11, d.within);
  wire::put_bytes(to, 12, d.trace);
}

template <typename Sink>
void put(Sink& to, const Record& r) {
  wire::put_number(to, 1, r.offset);
  wire::put_bytes(to, 2, *r.bytes);
}

template <typename Sink>
void put(Sink& to, const PublishOutcome& o) {
  wire::put_fixed(to, 1, raw(o.position.epoch));
  wire::put_number(to, 2, o.position.offset);
  wire::put_number(to, 3, o.duplicate ? 1 : 0);
  wire::put_bytes(to, 4, to_text(o.durability));
  wire::put_bytes(to, 5, o.fault.code);
  wire::put_bytes(to, 6, o.fault.detail);
  wire::put_number(to, 7, o.version);
  wire::put_bytes(to, 8, o.event_id);
}

template <typename Sink>
void put(Sink& to, const Publish& m);
template <typename Sink>
void put(Sink& to, const Updates& m);
template <typename Sink>
void put(Sink& to, const PublishResult& m);

template <typename T>
std::size_t size_of(const T& value) {
  wire::Counter counter;
  put(counter, value);
  return counter.size();
}

template <typename Sink, typename T>
void put_list(Sink& to, std::uint32_t field, const std::vector<T>& list) {
  for (const T& item : list) {
    wire::put_length(to, field, size_of(item));
    put(to, item);
  }
}

template <typename Sink>
void put(Sink& to, const Publish& m) {
  wire::put_number(to, 1, m.ref);
  put_list(to, 2, m.drafts);
}
template <typename Sink>
void put(Sink& to, const Updates& m) {
  wire::put_bytes(to, 1, m.channel);
  wire::put_fixed(to, 2, raw(m.epoch));
  put_list(to, 3, m.records);
  wire::put_fixed(to, 4, m.committed_us);
}
template <typename Sink>
void put(Sink& to, const PublishResult& m) {
  wire::put_number(to, 1, m.ref);
  put_list(to, 2, m.outcomes);
}

template <typename T>
std::string frame(std::uint32_t field, const T& message) {
  constexpr std::size_t kHead = 16;  // more than the frame's own key and length take
  const std::size_t size = size_of(message);
  std::string out;
  out.reserve(size + kHead);
  wire::Writer writer(out);
  wire::put_length(writer, field, size);
  put(writer, message);
  return out;
}

// ---- reading: each takes one field into its struct, and ignores what it does not know. False: a text that
// is not UTF-8
bool take(const wire::Field& f, Draft& d) {
  if (f.type == wire::Type::varint && f.number == 10) d.if_version = f.value;
  if (f.type != wire::Type::bytes) return true;
  switch (f.number) {
    case 1:
      return wire::take_text(f.bytes, d.channel);
    case 2:
      return wire::take_text(f.bytes, d.event_id);
    case 3:
      return wire::take_text(f.bytes, d.kind);
    case 4:
      return wire::take_text(f.bytes, d.key);
    case 5:
      return wire::take_text(f.bytes, d.at);
    case 6:
      return wire::take_text(f.bytes, d.actor);
    case 7:
      d.incident = f.bytes;
      return true;
    case 8:
      return wire::take_text(f.bytes, d.event_name);
    case 9:
      d.event_data = f.bytes;
      return true;
    case 11:
      return wire::take_text(f.bytes, d.within);
    case 12:
      d.trace = f.bytes;
      return true;
    default:
      return true;
  }
}
bool take(const wire::Field& f, Record& r) {
  if (f.type == wire::Type::varint && f.number == 1) r.offset = f.value;
  if (f.type == wire::Type::bytes && f.number == 2) r.bytes = std::make_shared<const std::string>(f.bytes);
  return true;
}
Durability durability_of(std::string_view text) {
  for (const auto d : {Durability::memory, Durability::quorum})
    if (text == to_text(d)) return d;
  return Durability::disk;
}
bool take(const wire::Field& f, PublishOutcome& o) {
  if (f.type == wire::Type::fixed64 && f.number == 1) o.position.epoch = Epoch{f.value};
  if (f.type == wire::Type::varint) {
    if (f.number == 2) o.position.offset = f.value;
    if (f.number == 3) o.duplicate = f.value != 0;
    if (f.number == 7) o.version = f.value;
  }
  if (f.type == wire::Type::bytes) {
    if (f.number == 4) o.durability = durability_of(f.bytes);
    if (f.number == 5) return wire::take_text(f.bytes, o.fault.code);
    if (f.number == 6) return wire::take_text(f.bytes, o.fault.detail);
    if (f.number == 8) return wire::take_text(f.bytes, o.event_id);
  }
  return true;
}

/// False when the bytes of the nested message are broken.
template <typename T>
bool take_whole(std::string_view bytes, T& out) {
  wire::Reader in(bytes);
  for (wire::Field f; in.next(f);)
    if (!take(f, out)) return false;
  return !in.broken();
}

template <typename M, typename T>
Result<Message> take_message(std::string_view bytes, std::uint32_t list_field, std::vector<T> M::*list,
                             bool (*take_other)(const wire::Field&, M&)) {
  M out;
  wire::Reader in(bytes);
  bool whole = true;
  for (wire::Field f; whole && in.next(f);) {
    if (f.number == list_field && f.type == wire::Type::bytes)
      whole = take_whole(f.bytes, (out.*list).emplace_back());
    else
      whole = take_other(f, out);
  }
  if (!whole || in.broken()) return Error{Errc::invalid_argument, "not a link message"};
  return Message{std::move(out)};
}

Result<Message> take_updates(std::string_view bytes) {
  auto message =
      take_message<Updates, Record>(bytes, 3, &Updates::records, [](const wire::Field& f, Updates& m) {
        if (f.number == 2 && f.type == wire::Type::fixed64) m.epoch = Epoch{f.value};
        if (f.number == 4 && f.type == wire::Type::fixed64) m.committed_us = f.value;
        return f.number != 1 || f.type != wire::Type::bytes || wire::take_text(f.bytes, m.channel);
      });
  static const auto kNothing = std::make_shared<const std::string>();
  if (message)
    for (Record& r : std::get<Updates>(*message).records)
      if (!r.bytes) r.bytes = kNothing;
  return message;
}

template <typename M>
bool take_ref(const wire::Field& f, M& message) {
  if (f.number == 1 && f.type == wire::Type::varint) message.ref = f.value;
  return true;
}

}  // namespace

std::string encode(const Publish& message) { return frame(kPublish, message); }
std::string encode(const Updates& message) { return frame(kUpdates, message); }
std::string encode(const PublishResult& message) { return frame(kPublishResult, message); }

std::optional<Result<Message>> decode_traffic(std::string_view bytes) {
  wire::Reader in(bytes);
  wire::Field frame;
  if (!in.next(frame) || !in.at_end() || frame.type != wire::Type::bytes) return std::nullopt;
  switch (frame.number) {
    case kPublish:
      return take_message<Publish, Draft>(frame.bytes, 2, &Publish::drafts, &take_ref<Publish>);
    case kPublishResult:
      return take_message<PublishResult, PublishOutcome>(frame.bytes, 2, &PublishResult::outcomes,
                                                         &take_ref<PublishResult>);
    case kUpdates:
      return take_updates(frame.bytes);
    default:
      return std::nullopt;
  }
}

}  // namespace tocsin::link
