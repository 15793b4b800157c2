// common/http's WsClient against the edge's own server: how an opening fails, messages larger than any
// buffer, who closed.
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "common/http/ws_client.h"
#include "tests/unit/edge/net/net_rig.h"

namespace tocsin::edge {
namespace {

struct Calling {
  explicit Calling(const Config& config = {}) : rig(config) {}
  NetRig rig;
  http::Context context{rig.loop};
  int opened = 0;
  std::vector<std::string> texts;
  std::vector<std::uint16_t> closed;
  std::string why;
  std::unique_ptr<http::WsClient> client = std::make_unique<http::WsClient>(
      context, http::WsClient::Events{.on_open = [this] { ++opened; },
                                      .on_text = [this](std::string_view text) { texts.emplace_back(text); },
                                      .on_close =
                                          [this](std::uint16_t code, std::string_view reason) {
                                            closed.push_back(code);
                                            why = reason;
                                          }});

  [[nodiscard]] std::string url(const std::string& path, int port) const {
    return "ws://127.0.0.1:" + std::to_string(port) + path;
  }
  [[nodiscard]] Status call(const std::string& path = "/v1/stream") {
    return client->connect(url(path, rig.server.port()), "tocsin.v1.json", {});
  }
  void must_open() {
    REQUIRE(call());
    REQUIRE(rig.until([this] { return opened == 1 && !rig.script.clients.empty(); }));
  }
};

/// A port that is taken, and on which nobody listens.
struct Unheard {
  Unheard() {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    REQUIRE(bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
    REQUIRE(getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size) == 0);
    port = ntohs(at.sin_port);
  }
  ~Unheard() { close(fd); }
  Unheard(const Unheard&) = delete;
  Unheard& operator=(const Unheard&) = delete;
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int port = 0;
};

/// A server's text frame with a 64-bit length.
std::string large_frame(const std::string& payload) {
  std::string out = "\x81\x7f";
  for (int shift = 56; shift >= 0; shift -= 8)
    out.push_back(static_cast<char>(payload.size() >> static_cast<unsigned>(shift) & 255U));
  return out + payload;
}

}  // namespace

TEST_SUITE("WsClient") {
  TEST_CASE("an opening that fails is told once, after connect, as never open") {
    Calling c;
    SUBCASE("it is no URL") {
      CHECK(c.client->connect("nonsense", "", {}).error().code == Errc::invalid_argument);
      return;
    }
    SUBCASE("nobody listens") {
      const Unheard taken;
      REQUIRE(c.client->connect(c.url("/v1/stream", taken.port), "", {}));
      REQUIRE(c.rig.until([&] { return !c.closed.empty(); }));
      CHECK(c.closed == std::vector<std::uint16_t>{1006});
      return;
    }
    SUBCASE("it is no WebSocket there") { REQUIRE(c.call("/v1/incidents")); }
    SUBCASE("the edge is full") {
      c.rig.script.refuse = true;
      REQUIRE(c.call());
    }
    CHECK(c.closed.empty());
    REQUIRE(c.rig.until([&] { return !c.closed.empty(); }));
    for (int turn = 0; turn < 20; ++turn) c.rig.loop.run_ready();
    CHECK(c.closed.size() == 1);
    CHECK((c.closed[0] == 1006 || (c.rig.script.refuse && c.closed[0] == 1013)));
    CHECK(c.texts.empty());
  }

  TEST_CASE("an owner that goes before the connection is open hears nothing, and nothing stays behind") {
    Calling c;
    REQUIRE(c.call());
    c.client.reset();
    for (int turn = 0; turn < 50; ++turn) c.rig.loop.run_ready();
    CHECK(c.rig.until([&] { return c.rig.server.connections() == 0; }));
    CHECK(c.opened == 0);
    CHECK(c.closed.empty());
  }

  TEST_CASE("an owner may go from inside on_close") {
    Calling c;
    c.client = std::make_unique<http::WsClient>(
        c.context, http::WsClient::Events{
                       .on_open = {}, .on_text = {}, .on_close = [&c](std::uint16_t code, std::string_view) {
                         c.closed.push_back(code);
                         c.client.reset();
                       }});
    REQUIRE(c.call("/v1/incidents"));
    CHECK(c.rig.until([&] { return c.client == nullptr; }));
    CHECK(c.closed == std::vector<std::uint16_t>{1006});
  }

  TEST_CASE("messages larger than every buffer arrive whole, in order, one event each") {
    Calling c;
    c.must_open();
    const std::vector<std::string> sent{std::string(3'000'000, 'a'), "small", std::string(70'000, 'b')};
    for (const auto& text : sent) c.rig.script.only().queue += large_frame(text);
    REQUIRE(c.rig.until([&] { return c.texts.size() == sent.size(); }));
    CHECK((c.texts == sent));
    CHECK(c.closed.empty());
  }

  TEST_CASE("what is sent before and after the opening arrives whole, in order") {
    Config config;
    config.frame_max_bytes = 1 << 20;
    Calling c(config);
    const std::string large(500'000, 'x');
    c.client->send_text("first");
    REQUIRE(c.call());
    c.client->send_text(large);
    REQUIRE(c.rig.until([&] { return c.rig.script.messages.size() == 2; }));
    CHECK((c.rig.script.messages == std::vector<std::string>{"first", large}));
  }

  TEST_CASE("the peer's code and reason are told, and so is our own code") {
    Calling c;
    c.must_open();
    SUBCASE("the peer's") {
      c.rig.script.outlet->close(c.rig.script.only().socket, CloseReason::replaced, "another came");
      REQUIRE(c.rig.until([&] { return !c.closed.empty(); }));
      CHECK(c.closed == std::vector<std::uint16_t>{4409});
      CHECK(c.why == "another came");
    }
    SUBCASE("our own") {
      c.client->close(1000);
      REQUIRE(c.rig.until([&] { return !c.closed.empty(); }));
      CHECK(c.closed == std::vector<std::uint16_t>{1000});
    }
  }
}

}  // namespace tocsin::edge
