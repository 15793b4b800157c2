#pragma once
// A real Server on a real loop and real sockets, with the HTTP API on a link whose broker the test plays.
#include <chrono>
#include <memory>
#include <string>

#include "common/loop/handles.h"
#include "common/loop/loop.h"
#include "edge/http_api/http_api.h"
#include "edge/net/server.h"
#include "tests/unit/edge/link/rig.h"
#include "tests/unit/edge/net/bare_client.h"
#include "tests/unit/edge/net/fake_gateway.h"

namespace tocsin::edge {

struct NetRig {
  Rig back;
  Config config;
  ManualClock clock;
  loop::Loop loop;
  Server server;
  std::unique_ptr<Gateway> gateway;
  HttpApi api;
  loop::TurnHook hook;
  GatewayScript& script = gateway_script();

  static Config local(Config c) {
    c.listen_port = 0;
    return c;
  }
  explicit NetRig(const Config& base = {})
      : config(local(base)),
        server(config, clock, loop, back.metrics),
        api(config, clock, *back.link,
            {.not_ready_reason = [] { return std::string{}; },
             .metrics_text = [] { return std::string{"m"}; },
             .clients = [] { return std::size_t{0}; }}),
        hook(loop, [this] {
          server.turn();
          gateway->turn();
        }) {
    reset_gateway_script();
    gateway = std::make_unique<Gateway>(
        config, clock, *back.link, server, [] { return std::uint64_t{1}; }, back.metrics);
    REQUIRE(server.start(*gateway, api));
  }
  ~NetRig() {
    server.shut_down();
    CHECK(server.connections() == 0);
    CHECK(script.clients.empty());
  }

  [[nodiscard]] std::unique_ptr<BareClient> client(int receive_buffer = 0) {
    return std::make_unique<BareClient>(server.port(), receive_buffer);
  }

  /// Turns the loop until `done`, for at most 10 s of real time.
  template <typename Done>
  bool until(Done done) {
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!done()) {
      hook.request();
      loop.run_ready();
      if (std::chrono::steady_clock::now() > give_up) return false;
    }
    return true;
  }
  /// Until `text` has come.
  bool until_in(BareClient& c, std::string_view text) {
    return until([&] {
             c.receive();
             return c.in.find(text) != std::string::npos || c.ended;
           }) &&
           c.in.find(text) != std::string::npos;
  }
  bool until_end(BareClient& c) {
    return until([&] {
      c.receive();
      return c.ended;
    });
  }
  /// One request and its whole answer's text, for answers that end with `tail` or the connection's end.
  std::string ask(BareClient& c, std::string_view request, std::string_view tail) {
    c.in.clear();
    c.send(request);
    (void)until_in(c, tail);
    return c.in;
  }
  std::unique_ptr<BareClient> websocket(int receive_buffer = 0, std::string_view more_headers = {},
                                        std::string_view query = {}) {
    auto c = client(receive_buffer);
    const std::uint32_t before = script.opened;
    c->send(
        "GET /v1/stream" + std::string(query) +
        " HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\n" +
        std::string(more_headers) + "\r\n");
    REQUIRE(until_in(*c, "\r\n\r\n"));
    CHECK(c->in.starts_with("HTTP/1.1 101"));
    c->in.erase(0, c->in.find("\r\n\r\n") + 4);
    REQUIRE(script.opened == before + 1);
    return c;
  }
};

}  // namespace tocsin::edge
