#include "tools/loadgen/dialect.h"

#include <charconv>

#include "tools/loadgen/stream_check.h"

namespace tocsin::loadgen {
namespace {

constexpr std::uint8_t kText = 1;
constexpr std::uint8_t kBinary = 2;

/// For protocols that are streams: adds `message` to what was torn before, and handles with `one` what is
/// whole now. `one` returns the bytes it used, 0 when nothing is whole.
void take_whole(std::string& torn, std::string_view message, Sink& sink,
                std::size_t (*one)(std::string_view, Sink&)) {
  torn.append(message);
  std::size_t at = 0;
  while (const std::size_t used = one(std::string_view(torn).substr(at), sink)) at += used;
  torn.erase(0, at);
}

class Tocsin final : public Dialect {
 public:
  explicit Tocsin(Topic topic) : topic_(std::move(topic)) {}
  [[nodiscard]] std::string path() const override { return "/v1/stream"; }
  [[nodiscard]] std::string subprotocol() const override { return "tocsin.v1.json"; }
  [[nodiscard]] bool acknowledges() const override { return true; }
  [[nodiscard]] bool has_offsets() const override { return true; }

  void greet(Connection& c, Role role, std::uint64_t seen) override {
    if (role == Role::publisher) return;
    std::string hello =
        R"({"type":"subscribe","id":"a","channel":")" + topic_.channel + R"(","filter":)" + topic_.filter;
    if (seen != 0) hello += R"(,"since":{"epoch":")" + epoch_ + R"(","offset":)" + std::to_string(seen) + "}";
    c.send(kText, hello + "}");
  }

  void publish(Connection& c, const Message& m) override {
    frame_.assign(R"({"type":"publish","ref":")").append(std::to_string(m.due_us));
    frame_.append(R"(","update":{"channel":")").append(m.channel);
    if (m.incident.empty())
      frame_.append(R"(","event":{"name":"load","data":)").append(m.payload).append("}}}");
    else
      frame_.append(R"(","kind":"updated","incident":)").append(m.incident).append("}}");
    c.send(kText, frame_);
  }

  void take(std::string_view message, Sink& sink) override {
    const auto type = type_of(message);
    if (type == "update" || type == "skip") return sink.delivery(message);
    if (type == "subscribed") {
      const auto at = message.find(kEpoch);
      if (at != std::string_view::npos)
        epoch_ =
            message.substr(at + kEpoch.size(), message.find('"', at + kEpoch.size()) - at - kEpoch.size());
      sink.delivery(message);
      return sink.subscribed();
    }
    if (type != "published" && type != "error") return;
    constexpr std::string_view kRef = "\"ref\":\"";
    const auto at = message.find(kRef);
    if (type == "error") return sink.refused();
    if (at == std::string_view::npos) return;
    std::uint64_t due = 0;
    std::from_chars(message.data() + at + kRef.size(), message.data() + message.size(), due);
    sink.acknowledged(due);
  }

 private:
  static constexpr std::string_view kEpoch = "\"epoch\":\"";
  const Topic topic_;
  std::string epoch_;
  std::string frame_;
};

/// nchan: a location with nchan_pubsub; each WebSocket message in either direction is one payload.
class Nchan final : public Dialect {
 public:
  explicit Nchan(std::string channel) : channel_(std::move(channel)) {}
  [[nodiscard]] std::string path() const override { return "/pubsub/" + channel_; }
  [[nodiscard]] std::string subprotocol() const override { return ""; }
  [[nodiscard]] bool confirms() const override { return false; }
  void greet(Connection&, Role, std::uint64_t) override {}
  void publish(Connection& c, const Message& m) override { c.send(kText, m.payload); }
  void take(std::string_view message, Sink& sink) override { sink.delivery(message); }

 private:
  const std::string channel_;
};

/// nats-server's client protocol inside binary WebSocket messages; a stream, so a line may be torn over two
/// of them.
class Nats final : public Dialect {
 public:
  explicit Nats(std::string channel) : channel_(std::move(channel)) {}
  [[nodiscard]] std::string path() const override { return "/"; }
  [[nodiscard]] std::string subprotocol() const override { return ""; }

  void greet(Connection& c, Role role, std::uint64_t) override {
    torn_.clear();
    std::string hello =
        "CONNECT {\"verbose\":false,\"pedantic\":false,\"name\":\"load\",\"lang\":\"c\",\"version\":\"1\",\"protocol\":1}\r\n";
    if (role == Role::listener) hello += "SUB " + channel_ + " 1\r\n";
    c.send(kBinary, hello + "PING\r\n");
  }

  void publish(Connection& c, const Message& m) override {
    frame_.assign("PUB ")
        .append(m.channel)
        .append(" ")
        .append(std::to_string(m.payload.size()))
        .append("\r\n");
    frame_.append(m.payload).append("\r\n");
    c.send(kBinary, frame_);
  }

  void take(std::string_view message, Sink& sink) override { take_whole(torn_, message, sink, one); }

 private:
  /// Handles the first whole protocol line (with its payload); returns its bytes, 0 when it is not whole yet.
  static std::size_t one(std::string_view in, Sink& sink) {
    const auto end = in.find("\r\n");
    if (end == std::string_view::npos) return 0;
    const auto line = in.substr(0, end);
    if (line.substr(0, 4) == "MSG ") {
      std::size_t size = 0;
      const auto digits = line.substr(line.rfind(' ') + 1);
      std::from_chars(digits.data(), digits.data() + digits.size(), size);
      if (in.size() < end + 2 + size + 2) return 0;
      sink.delivery(in.substr(end + 2, size));
      return end + 2 + size + 2;
    }
    if (line == "PING") sink.reply(kBinary, "PONG\r\n");
    if (line == "PONG") sink.subscribed();
    if (line.substr(0, 4) == "-ERR") sink.refused();
    return end + 2;
  }

  const std::string channel_;
  std::string frame_;
  std::string torn_;
};

/// MQTT 3.1.1 (OASIS standard, sections 2 and 3) at QoS 0 inside binary WebSocket messages.
class Mqtt final : public Dialect {
 public:
  explicit Mqtt(std::string channel) : channel_(std::move(channel)) {}
  [[nodiscard]] std::string path() const override { return "/mqtt"; }
  [[nodiscard]] std::string subprotocol() const override { return "mqtt"; }

  void greet(Connection& c, Role role, std::uint64_t) override {
    torn_.clear();
    std::string connect = text("MQTT");
    connect += {'\x04', '\x02', '\0', '\0'};  // level 4, clean session, no keep-alive
    connect += text("load" + std::to_string(c.id()));
    c.send(kBinary, packet('\x10', connect));
    if (role == Role::publisher) return;
    std::string subscribe{'\0', '\x01'};
    subscribe += text(channel_);
    subscribe.push_back('\0');
    c.send(kBinary, packet('\x82', subscribe));
  }

  void publish(Connection& c, const Message& m) override {
    c.send(kBinary, packet('\x30', text(m.channel) + std::string(m.payload)));
  }

  void take(std::string_view message, Sink& sink) override { take_whole(torn_, message, sink, one); }

 private:
  static std::string text(std::string_view s) {
    std::string out{static_cast<char>(s.size() >> 8U), static_cast<char>(s.size() & 0xFFU)};
    return out.append(s);
  }
  static std::string packet(char type, std::string_view body) {
    std::string out{type};
    std::size_t n = body.size();
    do {
      const auto low = static_cast<unsigned char>(n % 128);
      n /= 128;
      out.push_back(static_cast<char>(n > 0 ? low | 0x80U : low));
    } while (n > 0);
    return out.append(body);
  }

  static std::size_t one(std::string_view in, Sink& sink) {
    std::size_t length = 0;
    std::size_t head = 1;
    for (unsigned shift = 0;; shift += 7) {
      if (head >= in.size() || shift > 21) return 0;
      const auto byte = static_cast<unsigned char>(in[head++]);
      length |= std::size_t{byte & 0x7FU} << shift;
      if ((byte & 0x80U) == 0) break;
    }
    if (in.size() < head + length) return 0;
    const auto body = in.substr(head, length);
    const auto type = static_cast<unsigned char>(in[0]) >> 4U;
    if (type == 9) sink.subscribed();
    if (type == 3 && body.size() >= 2) {
      const std::size_t topic =
          std::size_t{static_cast<unsigned char>(body[0])} << 8U | static_cast<unsigned char>(body[1]);
      sink.delivery(body.substr(std::min(body.size(), 2 + topic)));
    }
    return head + length;
  }

  const std::string channel_;
  std::string torn_;
};

/// Redis pub/sub, RESP2 on a bare connection: the fan-out of a server that need not frame for WebSocket.
class Redis final : public Dialect {
 public:
  explicit Redis(std::string channel) : channel_(std::move(channel)) {}
  [[nodiscard]] std::string path() const override { return ""; }
  [[nodiscard]] std::string subprotocol() const override { return ""; }

  void greet(Connection& c, Role role, std::uint64_t) override {
    torn_.clear();
    if (role == Role::listener) c.send(kText, command({"SUBSCRIBE", channel_}));
  }
  void publish(Connection& c, const Message& m) override {
    c.send(kText, command({"PUBLISH", m.channel, m.payload}));
  }
  void take(std::string_view message, Sink& sink) override { take_whole(torn_, message, sink, one); }

 private:
  static std::string command(std::initializer_list<std::string_view> words) {
    std::string out = "*" + std::to_string(words.size()) + "\r\n";
    for (const auto word : words)
      out.append("$").append(std::to_string(word.size())).append("\r\n").append(word).append("\r\n");
    return out;
  }
  /// A number after its sign (`*`, `$`, `:`); false when the line is not whole.
  static bool number(std::string_view in, std::size_t& at, std::size_t& value) {
    const auto end = in.find("\r\n", at);
    if (end == std::string_view::npos) return false;
    std::from_chars(in.data() + at + 1, in.data() + end, value);
    at = end + 2;
    return true;
  }
  static std::size_t one(std::string_view in, Sink& sink) {
    std::size_t at = 0;
    std::size_t count = 0;
    if (!number(in, at, count)) return 0;
    if (in[0] == '-') sink.refused();
    if (in[0] != '*') return at;
    std::string_view kind;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t start = at;
      std::size_t size = 0;
      if (!number(in, at, size)) return 0;
      if (in[start] != '$') continue;
      if (in.size() < at + size + 2) return 0;
      const auto word = in.substr(at, size);
      if (i == 0) kind = word;
      if (i == 2 && kind == "message") sink.delivery(word);
      at += size + 2;
    }
    if (kind == "subscribe") sink.subscribed();
    return at;
  }

  const std::string channel_;
  std::string torn_;
};

}  // namespace

std::unique_ptr<Dialect> make_dialect(const std::string& name, Topic topic) {
  if (name == "tocsin") return std::make_unique<Tocsin>(std::move(topic));
  if (name == "tocsin-proto") return make_proto_dialect(std::move(topic.channel));
  if (name == "nchan") return std::make_unique<Nchan>(std::move(topic.channel));
  if (name == "nats") return std::make_unique<Nats>(std::move(topic.channel));
  if (name == "mqtt") return std::make_unique<Mqtt>(std::move(topic.channel));
  if (name == "redis") return std::make_unique<Redis>(std::move(topic.channel));
  return nullptr;
}

}  // namespace tocsin::loadgen
