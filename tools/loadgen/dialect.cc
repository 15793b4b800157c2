#include "tools/loadgen/dialect.h"

#include <charconv>

#include "tools/loadgen/stream_check.h"

namespace tocsin::loadgen {
namespace {

constexpr std::uint8_t kText = 1;
constexpr std::uint8_t kBinary = 2;

/// For protocols that are streams: adds `message` to what was torn before, and handles with `one` what is whole now. `one`
/// returns the bytes it used, 0 when nothing is whole.
void take_whole(std::string& torn, std::string_view message, Sink& sink, std::size_t (*one)(std::string_view, Sink&)) {
  torn.append(message);
  std::size_t at = 0;
  while (const std::size_t used = one(std::string_view(torn).substr(at), sink)) at += used;
  torn.erase(0, at);
}

class Tocsin final : public Dialect {
 public:
  Tocsin(std::string channel, std::string filter) : channel_(std::move(channel)), filter_(std::move(filter)) {}
  [[nodiscard]] std::string path() const override { return "/v1/stream"; }
  [[nodiscard]] std::string subprotocol() const override { return "tocsin.v1.json"; }
  [[nodiscard]] bool acknowledges() const override { return true; }

  void greet(Connection& c, Role role) override {
    if (role == Role::listener)
      c.send(kText, R"({"type":"subscribe","id":"a","channel":")" + channel_ + R"(","filter":)" + filter_ + "}");
  }

  void publish(Connection& c, std::uint64_t due_us, std::string_view payload) override {
    frame_.assign(R"({"type":"publish","ref":")").append(std::to_string(due_us));
    frame_.append(R"(","update":{"channel":")").append(channel_).append(R"(","event":{"name":"load","data":)");
    frame_.append(payload).append("}}}");
    c.send(kText, frame_);
  }

  void take(std::string_view message, Sink& sink) override {
    const auto type = type_of(message);
    if (type == "subscribed") {
      sink.subscribed();
    } else if (type == "published" || type == "error") {
      constexpr std::string_view kRef = "\"ref\":\"";
      const auto at = message.find(kRef);
      if (at == std::string_view::npos) return;
      if (type == "error") return sink.refused();
      std::uint64_t due = 0;
      std::from_chars(message.data() + at + kRef.size(), message.data() + message.size(), due);
      return sink.acknowledged(due);
    }
    if (type == "update" || type == "skip" || type == "subscribed") sink.delivery(message);
  }

 private:
  const std::string channel_;
  const std::string filter_;
  std::string frame_;
};

/// nchan: a location with nchan_pubsub; each WebSocket message in either direction is one payload.
class Nchan final : public Dialect {
 public:
  explicit Nchan(std::string channel) : channel_(std::move(channel)) {}
  [[nodiscard]] std::string path() const override { return "/pubsub/" + channel_; }
  [[nodiscard]] std::string subprotocol() const override { return ""; }
  [[nodiscard]] bool confirms() const override { return false; }
  void greet(Connection&, Role) override {}
  void publish(Connection& c, std::uint64_t, std::string_view payload) override { c.send(kText, payload); }
  void take(std::string_view message, Sink& sink) override { sink.delivery(message); }

 private:
  const std::string channel_;
};

/// nats-server's client protocol inside binary WebSocket messages; a stream, so a line may be torn over two of them.
class Nats final : public Dialect {
 public:
  explicit Nats(std::string channel) : channel_(std::move(channel)) {}
  [[nodiscard]] std::string path() const override { return "/"; }
  [[nodiscard]] std::string subprotocol() const override { return ""; }

  void greet(Connection& c, Role role) override {
    std::string hello = "CONNECT {\"verbose\":false,\"pedantic\":false,\"name\":\"load\",\"lang\":\"c\",\"version\":\"1\",\"protocol\":1}\r\n";
    if (role == Role::listener) hello += "SUB " + channel_ + " 1\r\n";
    c.send(kBinary, hello + "PING\r\n");
  }

  void publish(Connection& c, std::uint64_t, std::string_view payload) override {
    frame_.assign("PUB ").append(channel_).append(" ").append(std::to_string(payload.size())).append("\r\n");
    frame_.append(payload).append("\r\n");
    c.send(kBinary, frame_);
  }

  void take(std::string_view message, Sink& sink) override {
    take_whole(torn_, message, sink, one);
  }

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

  void greet(Connection& c, Role role) override {
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

  void publish(Connection& c, std::uint64_t, std::string_view payload) override {
    c.send(kBinary, packet('\x30', text(channel_) + std::string(payload)));
  }

  void take(std::string_view message, Sink& sink) override {
    take_whole(torn_, message, sink, one);
  }

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
      const std::size_t topic = std::size_t{static_cast<unsigned char>(body[0])} << 8U | static_cast<unsigned char>(body[1]);
      sink.delivery(body.substr(std::min(body.size(), 2 + topic)));
    }
    return head + length;
  }

  const std::string channel_;
  std::string torn_;
};

}  // namespace

std::unique_ptr<Dialect> make_dialect(const std::string& name, const std::string& channel, const std::string& filter) {
  if (name == "tocsin") return std::make_unique<Tocsin>(channel, filter);
  if (name == "nchan") return std::make_unique<Nchan>(channel);
  if (name == "nats") return std::make_unique<Nats>(channel);
  if (name == "mqtt") return std::make_unique<Mqtt>(channel);
  return nullptr;
}

}  // namespace tocsin::loadgen
