// tocsin.v1.proto as a client speaks it (proto/client.proto, PROTOCOL.md section 8), read and written by
// hand: the load generator shares no generated code with the edge. A frame is handed on in the words of
// tocsin.v1.json, so that one judge serves both.
#include <charconv>
#include <optional>

#include "tools/loadgen/dialect.h"
#include "tools/loadgen/stream_check.h"

namespace tocsin::loadgen {
namespace {

constexpr std::uint8_t kBinary = 2;

// Numbers of ServerFrame's and ClientFrame's members, and of theirs.
enum Server : std::uint64_t { kSubscribed = 2, kUpdate = 4, kSkip = 5, kPublished = 7, kError = 9 };
enum Client : std::uint64_t { kSubscribe = 2, kPublish = 4 };

/// One field of a message; `number` 0: the end, or bytes that are no message.
struct Field {
  std::uint64_t number = 0;
  std::uint64_t value = 0;  ///< of a varint or fixed64
  std::string_view bytes;   ///< of a string or message
};

class Reader {
 public:
  explicit Reader(std::string_view message) : rest_(message) {}

  Field next() {
    Field field;
    const auto tag = varint();
    if (!tag) return field;
    field.number = *tag >> 3U;
    const unsigned kind = *tag & 7U;
    if (kind == 0) return with(field, varint());
    if (kind == 1) return with(field, fixed64());
    const auto size = kind == 2 ? varint() : std::nullopt;
    if (!size || *size > rest_.size()) return {};
    field.bytes = rest_.substr(0, static_cast<std::size_t>(*size));
    rest_.remove_prefix(static_cast<std::size_t>(*size));
    return field;
  }

 private:
  static Field with(Field field, std::optional<std::uint64_t> value) {
    if (!value) return {};
    field.value = *value;
    return field;
  }
  std::optional<std::uint64_t> varint() {
    std::uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      v |= std::uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) return v;
    }
    return std::nullopt;
  }
  std::optional<std::uint64_t> fixed64() {
    if (rest_.size() < 8) return std::nullopt;
    std::uint64_t v = 0;
    for (unsigned i = 0; i < 8; ++i) v |= std::uint64_t{static_cast<unsigned char>(rest_[i])} << (8 * i);
    rest_.remove_prefix(8);
    return v;
  }
  std::string_view rest_;
};

void put_varint(std::string& out, std::uint64_t v) {
  for (; v >= 0x80; v >>= 7U) out.push_back(static_cast<char>(v | 0x80U));
  out.push_back(static_cast<char>(v));
}
void put(std::string& out, std::uint64_t number, std::string_view bytes) {
  put_varint(out, number << 3U | 2U);
  put_varint(out, bytes.size());
  out.append(bytes);
}

class Proto final : public Dialect {
 public:
  explicit Proto(std::string channel) : channel_(std::move(channel)) {}
  [[nodiscard]] std::string path() const override { return "/v1/stream"; }
  [[nodiscard]] std::string subprotocol() const override { return "tocsin.v1.proto"; }
  [[nodiscard]] bool acknowledges() const override { return true; }
  [[nodiscard]] bool has_offsets() const override { return true; }

  void greet(Connection& c, Role role, std::uint64_t seen) override {
    if (role == Role::publisher) return;
    std::string subscribe;
    put(subscribe, 1, "a");
    put(subscribe, 2, channel_);
    if (seen != 0) {
      std::string since;
      since.push_back(1U << 3U | 1U);
      for (unsigned i = 0; i < 8; ++i) since.push_back(static_cast<char>(epoch_ >> (8 * i)));
      since.push_back(2U << 3U);
      put_varint(since, seen);
      put(subscribe, 5, since);
    }
    say(c, kSubscribe, subscribe);
  }

  void publish(Connection& c, const Message& m) override {
    std::string event;
    put(event, 1, "load");
    put(event, 2, m.payload);
    std::string draft;
    put(draft, 1, m.channel);
    put(draft, 8, event);
    std::string publish;
    put(publish, 1, std::to_string(m.due_us));
    put(publish, 2, draft);
    say(c, kPublish, publish);
  }

  void take(std::string_view message, Sink& sink) override {
    Reader frame(message);
    const Field inner = frame.next();
    switch (inner.number) {
      case kUpdate:
        return on_update(inner.bytes, sink);
      case kSkip:
        return on_skip(inner.bytes, sink);
      case kSubscribed:
        return on_subscribed(inner.bytes, sink);
      case kPublished:
        return on_published(inner.bytes, sink);
      case kError:
        return sink.refused();
      default:
        return;
    }
  }

 private:
  static void say(Connection& c, std::uint64_t number, std::string_view inner) {
    std::string frame;
    put(frame, number, inner);
    c.send(kBinary, frame);
  }

  void on_update(std::string_view update, Sink& sink) {
    std::string replaces;
    std::string_view data;
    std::uint64_t offset = 0;
    Reader in(update);
    for (Field f = in.next(); f.number != 0; f = in.next()) {
      if (f.number == 2) offset = f.value;
      if (f.number == 3) replaced(f.bytes, replaces);
      if (f.number == 12) data = f.bytes;
    }
    const auto t = number_member(data, "\"t\"", 0);
    line_.assign(R"({"type":"update","sub":1,"offset":)").append(std::to_string(offset));
    if (!replaces.empty()) line_.append(",\"replaces\":[").append(replaces).append("]");
    sink.delivery(line_.append(",\"t\":").append(std::to_string(t)).append("}"));
  }

  /// A packed list of varints.
  static void replaced(std::string_view packed, std::string& out) {
    std::uint64_t v = 0;
    unsigned shift = 0;
    for (const char c : packed) {
      const auto byte = static_cast<unsigned char>(c);
      v |= std::uint64_t{byte & 0x7FU} << shift;
      shift += 7;
      if (byte >= 0x80) continue;
      if (!out.empty()) out.push_back(',');
      out.append(std::to_string(v));
      v = shift = 0;
    }
  }

  void on_skip(std::string_view skip, Sink& sink) {
    std::uint64_t from = 0;
    std::uint64_t to = 0;
    Reader in(skip);
    for (Field f = in.next(); f.number != 0; f = in.next()) {
      if (f.number == 2) from = f.value;
      if (f.number == 3) to = f.value;
    }
    sink.delivery(line_.assign(R"({"type":"skip","sub":1,"from":)")
                      .append(std::to_string(from))
                      .append(",\"to\":")
                      .append(std::to_string(to))
                      .append("}"));
  }

  void on_subscribed(std::string_view subscribed, Sink& sink) {
    std::uint64_t offset = 0;
    std::string_view outcome;
    Reader in(subscribed);
    for (Field f = in.next(); f.number != 0; f = in.next()) {
      if (f.number == 5) outcome = f.bytes;
      if (f.number != 4) continue;
      Reader position(f.bytes);
      for (Field p = position.next(); p.number != 0; p = position.next())
        (p.number == 1 ? epoch_ : offset) = p.value;
    }
    line_.assign(R"({"type":"subscribed","offset":)")
        .append(std::to_string(offset))
        .append(",\"outcome\":\"")
        .append(outcome)
        .append("\"}");
    sink.delivery(line_);
    sink.subscribed();
  }

  static void on_published(std::string_view published, Sink& sink) {
    const Field ref = Reader(published).next();
    std::uint64_t due = 0;
    std::from_chars(ref.bytes.data(), ref.bytes.data() + ref.bytes.size(), due);
    sink.acknowledged(due);
  }

  const std::string channel_;
  std::uint64_t epoch_ = 0;
  std::string line_;
};

}  // namespace

std::unique_ptr<Dialect> make_proto_dialect(std::string channel) {
  return std::make_unique<Proto>(std::move(channel));
}

}  // namespace tocsin::loadgen
