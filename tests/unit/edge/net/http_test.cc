// HTTP, event streams and the accept path over real sockets.
#include <sys/resource.h>

#include <algorithm>
#include <vector>

#include "edge/net/http_text.h"
#include "edge/net/utf8.h"
#include "tests/unit/edge/net/net_rig.h"

namespace tocsin::edge {
namespace {

TEST_SUITE("edge net: HTTP") {
  TEST_CASE("HTTP/1.0 without Host is answered, then closed") {
    NetRig rig;
    auto c = rig.client();
    c->send("GET /health/live HTTP/1.0\r\n\r\n");
    CHECK(rig.until_end(*c));
    CHECK(c->in.starts_with("HTTP/1.1 200 OK\r\n"));
    CHECK(c->in.find("connection: close\r\n") != std::string::npos);
  }

  TEST_CASE("one connection serves request after request, pipelined too") {
    NetRig rig;
    auto c = rig.client();
    const std::string request = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
    CHECK(rig.ask(*c, request, "\r\n\r\nm").starts_with("HTTP/1.1 200"));
    CHECK(rig.ask(*c, request, "\r\n\r\nm").starts_with("HTTP/1.1 200"));
    c->in.clear();
    c->send(request + request + request);
    CHECK(rig.until([&] {
      c->receive();
      std::size_t answers = 0;
      for (std::size_t at = 0; (at = c->in.find("HTTP/1.1 200", at)) != std::string::npos; ++at) ++answers;
      return answers == 3;
    }));
    CHECK_FALSE(c->ended);
  }

  TEST_CASE("HEAD has no body, OPTIONS tells a browser what it may do") {
    NetRig rig;
    auto c = rig.client();
    const auto head = rig.ask(*c, "HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\n");
    CHECK(head.find("content-length: 1\r\n") != std::string::npos);
    CHECK(head.ends_with("\r\n\r\n"));
    const auto options =
        rig.ask(*c, "OPTIONS /v1/updates HTTP/1.1\r\nHost: x\r\nOrigin: y\r\n\r\n", "\r\n\r\n");
    CHECK(options.starts_with("HTTP/1.1 204"));
    CHECK(options.find("access-control-allow-methods: GET, HEAD, POST, OPTIONS") != std::string::npos);
    CHECK_FALSE(c->ended);
  }

  TEST_CASE("a body without a length, or chunked, is answered 411; a length that is none 400") {
    NetRig rig;
    for (const auto& [header, status] : {std::pair<std::string, std::string>{"", "411"},
                                         {"Transfer-Encoding: chunked\r\n", "411"},
                                         {"Content-Length: -5\r\n", "400"}}) {
      CAPTURE(header);
      auto c = rig.client();
      CHECK(rig.ask(*c, "POST /v1/updates HTTP/1.1\r\nHost: x\r\n" + header + "\r\n", "}")
                .starts_with("HTTP/1.1 " + status));
    }
  }

  TEST_CASE("a published body reaches the broker, its answer the client, and the connection goes on") {
    NetRig rig;
    rig.back.attach(0);
    auto c = rig.client();
    const std::string body =
        R"({"channel":"incidents","kind":"created","key":"i1","incident":{"title":"t"}})";
    for (int round = 0; round < 2; ++round) {
      rig.back.wire.sent.clear();
      c->in.clear();
      c->send("POST /v1/updates HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: " +
              std::to_string(body.size()) + "\r\n\r\n");
      c->send(body.substr(0, 20));
      (void)rig.until([n = 0]() mutable { return ++n > 20; });
      c->send(body.substr(20));
      REQUIRE(rig.until([&] { return !rig.back.wire.sent.empty(); }));
      const auto publish = rig.back.only<link::Publish>();
      CHECK(publish.drafts.at(0).key == "i1");
      rig.back.say(link::PublishResult{
          publish.ref, {link::PublishOutcome{{kEpoch, 5}, false, Durability::disk, 1, "e", {}}}});
      CHECK(rig.until_in(*c, "\"offset\":5"));
      CHECK(c->in.starts_with("HTTP/1.1 200"));
    }
  }

  TEST_CASE("Expect: 100-continue is answered before the body") {
    NetRig rig;
    auto c = rig.client();
    c->send("POST /v1/updates HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n");
    CHECK(rig.until_in(*c, "HTTP/1.1 100 Continue\r\n\r\n"));
  }

  TEST_CASE("a client that hangs up while its answer is on the way harms nobody") {
    NetRig rig;
    rig.back.attach(0);
    auto c = rig.client();
    c->send("GET /v1/channels/incidents HTTP/1.1\r\nHost: x\r\n\r\n");
    REQUIRE(rig.until([&] { return !rig.back.wire.sent.empty(); }));
    c->hang_up();
    rig.back.say(link::ChannelInfo{rig.back.only<link::GetChannel>().ref, {kChannel, kEpoch, 1, 2}, {}});
    CHECK(rig.until([&] { return rig.server.connections() == 0; }));
  }

  TEST_CASE("an event stream has a head, then what the hub sends, until one side ends it") {
    NetRig rig;
    auto c = rig.client();
    c->send(
        "GET /v1/events?channel=incidents&severity=P0,P1 HTTP/1.1\r\nHost: x\r\nLast-Event-ID: 0000000000000007:4\r\n\r\n");
    CHECK(rig.until_in(*c, "\r\n\r\n"));
    CHECK(c->in.find("content-type: text/event-stream\r\n") != std::string::npos);
    CHECK(c->in.find("content-length") == std::string::npos);
    CHECK(rig.script.only().opening.encoding.door == Door::sse);
    CHECK(rig.script.only().opening.last_event_id == "0000000000000007:4");
    CHECK(rig.script.only().opening.query == "channel=incidents&severity=P0%2CP1");
    rig.script.only().queue = "id: 1\ndata: x\n\n";
    CHECK(rig.until_in(*c, "data: x\n\n"));
    rig.script.outlet->close(rig.script.only().socket, CloseReason::restart, {});
    CHECK(rig.until_end(*c));
    CHECK(rig.script.closed == 1);
    auto bad = rig.client();
    CHECK(rig.ask(*bad, "GET /v1/events?channel=%01 HTTP/1.1\r\nHost: x\r\n\r\n", "}")
              .starts_with("HTTP/1.1 400"));
  }

  TEST_CASE("a reply larger than the kernel takes arrives whole at a slow reader") {
    NetRig rig;
    rig.back.attach(0);
    auto c = rig.client(4'096);
    c->send("GET /v1/incidents/i1 HTTP/1.1\r\nHost: x\r\n\r\n");
    REQUIRE(rig.until([&] { return !rig.back.wire.sent.empty(); }));
    const std::string json = "{\"title\":\"" + std::string(600'000, 't') + "\"}";
    rig.back.say(link::IncidentsPage{
        rig.back.only<link::GetIncident>().ref, {kChannel, kEpoch, 1, 2}, {{"i1", 2, json}}, {}, {}});
    CHECK(rig.until([&] {
      c->receive(3'000);
      return c->in.size() > 600'000;
    }));
    CHECK_FALSE(c->ended);
    CHECK(rig.ask(*c, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\nm").find("HTTP/1.1 200") !=
          std::string::npos);
  }
}

TEST_SUITE("edge net: accepting") {
  TEST_CASE("a connection that says nothing, or half a request, is closed in time") {
    NetRig rig;
    auto silent = rig.client();
    auto slow = rig.client();
    slow->send("GET / HT");
    CHECK(rig.until([&] { return rig.server.connections() == 2; }));
    rig.clock.pass(Millis{6'000});
    rig.server.tick();
    CHECK(rig.until_end(*silent));
    CHECK(rig.until_end(*slow));
    CHECK(rig.back.metrics.net_handshake_timeouts.value() == 2);
  }

  TEST_CASE("above clients_max a connection is told to come back") {
    Config config;
    config.clients_max = 1;
    NetRig rig(config);
    auto first = rig.websocket();
    for (const std::string_view path : {"/v1/stream", "/v1/events", "/v1/incidents"}) {
      CAPTURE(path);
      auto second = rig.client();
      second->send("GET " + std::string(path) +
                   " HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
      CHECK(rig.until_end(*second));
      CHECK(second->in.starts_with("HTTP/1.1 503"));
      CHECK(second->in.find("retry-after: 1\r\n") != std::string::npos);
    }
    CHECK(rig.back.metrics.net_refused.value() == 3);
    auto health = rig.client();
    CHECK(
        rig.ask(*health, "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n", "live").starts_with("HTTP/1.1 200"));
    health->hang_up();
    first->hang_up();
    CHECK(rig.until([&] { return rig.server.connections() == 0; }));
    CHECK(rig.websocket());
  }

  TEST_CASE("a storm is served at a rate, told when to come back beyond it, and left waiting beyond that") {
    Config config;
    config.handshakes_per_s = 4;
    NetRig rig(config);
    const std::string request =
        "GET /v1/stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    std::vector<std::unique_ptr<BareClient>> storm;
    for (int i = 0; i < 12; ++i) storm.push_back(rig.client());
    for (auto& c : storm) c->send(request);
    const auto answered = [&](std::string_view with) {
      return std::count_if(storm.begin(), storm.end(), [&](auto& c) {
        c->receive();
        return c->in.starts_with(with);
      });
    };
    CHECK(rig.until([&] { return answered("HTTP/1.1 101") == 4 && answered("HTTP/1.1 503") == 4; }));
    CHECK(std::count_if(storm.begin(), storm.end(),
                        [](auto& c) { return c->in.find("retry-after: 1\r\n") != std::string::npos; }) == 4);
    for (int i = 0; i < 50; ++i) rig.loop.run_ready();
    CHECK(answered("HTTP/1.1") == 8);
    rig.clock.pass(Millis{1'000});
    rig.server.tick();
    CHECK(rig.until([&] { return answered("HTTP/1.1 101") == 8; }));
    CHECK(answered("HTTP/1.1 503") == 4);
  }

  TEST_CASE("running out of descriptors is survived") {
    NetRig rig;
    rlimit before{};
    getrlimit(RLIMIT_NOFILE, &before);
    std::vector<std::unique_ptr<BareClient>> clients;
    for (int i = 0; i < 4; ++i) clients.push_back(rig.client());
    const int next_fd = dup(0);
    close(next_fd);
    const rlimit tight{static_cast<rlim_t>(next_fd) + 1, before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &tight);
    CHECK(rig.until([&] { return rig.back.metrics.net_turned_away.value() > 0; }));
    setrlimit(RLIMIT_NOFILE, &before);
    clients.clear();
    CHECK(rig.until([&] { return rig.server.connections() == 0; }));
    CHECK(rig.websocket());
  }

  TEST_CASE("a port that is taken is a sentence, not a crash") {
    NetRig rig;
    Config config;
    config.listen_port = rig.server.port();
    Server second(config, rig.clock, rig.loop, rig.back.metrics);
    const auto started = second.start(*rig.gateway, rig.api);
    REQUIRE_FALSE(started);
    CHECK(started.error().code == Errc::io);
    CHECK(started.error().detail.find("Address already in use") != std::string::npos);
    second.shut_down();
  }

  TEST_CASE("edges that say so share a port") {
    Config config;
    config.listen_share = true;
    NetRig rig(config);
    config.listen_port = rig.server.port();
    Server second(config, rig.clock, rig.loop, rig.back.metrics);
    CHECK(second.start(*rig.gateway, rig.api));
    second.shut_down();
  }
}

TEST_CASE("edge net: UTF-8 is checked as RFC 3629 says") {
  for (const std::string_view good :
       {"", "abc", "aaaaaaaaa", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x9a\xa8", "12345678\xc3\xa9"})
    CHECK(is_utf8(good));
  for (const std::string_view bad : {"\x80", "\xc0\x80", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80",
                                     "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "1234567\xc3"})
    CHECK_FALSE(is_utf8(bad));
}

TEST_CASE("edge net: header text cannot be split by a value") {
  HttpReply reply;
  reply.headers = {{"x", "a\r\nevil: 1"}, {"y", "ok"}};
  const auto text = response_text(reply, KeepAlive::yes, Body::send);
  CHECK(text.find("evil") == std::string::npos);
  CHECK(text.find("y: ok\r\n") != std::string::npos);
  CHECK(bearer_token("bEaReR x") == "x");
  CHECK(bearer_token("Basic x").empty());
}

}  // namespace
}  // namespace tocsin::edge
