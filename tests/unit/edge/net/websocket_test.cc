// WebSocket connections over real sockets.
#include <random>

#include "tests/unit/edge/net/net_rig.h"

namespace tocsin::edge {
namespace {

unsigned close_code(const WsFrame& frame) {
  REQUIRE(frame.opcode == 0x88);
  REQUIRE(frame.payload.size() >= 2);
  return static_cast<unsigned>(static_cast<unsigned char>(frame.payload[0])) << 8 |
         static_cast<unsigned char>(frame.payload[1]);
}

TEST_SUITE("edge net: WebSocket") {
  TEST_CASE("a client opens, speaks and is spoken to") {
    NetRig rig;
    auto c = rig.websocket(0, "Authorization: Bearer abc\r\n", "?a=1%262&access_token=no");
    CHECK(rig.script.only().opening.token == "abc");
    CHECK(rig.script.only().opening.query == "a=1%262");
    CHECK(rig.script.only().opening.from.text() == "127.0.0.1");
    c->send_frame(0x81, "hello");
    CHECK(rig.until([&] { return rig.script.messages.size() == 1; }));
    CHECK(rig.script.messages[0] == "hello");
    rig.script.only().queue = text_frame("one") + text_frame("two");
    CHECK(rig.until([&] {
      c->receive();
      return c->in.size() >= 10;
    }));
    const auto frames = c->frames();
    REQUIRE(frames.size() == 2);
    CHECK(frames[1].payload == "two");
  }

  TEST_CASE("the subprotocol is answered when offered, among others too") {
    NetRig rig;
    auto c = rig.client();
    c->send(
        "GET /v1/stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: other, tocsin.v1.json\r\n\r\n");
    REQUIRE(rig.until_in(*c, "\r\n\r\n"));
    CHECK(c->in.find("Sec-WebSocket-Protocol: tocsin.v1.json") != std::string::npos);
  }

  TEST_CASE("what is no WebSocket of ours is told so") {
    NetRig rig;
    const std::string upgrade =
        " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
    struct Row {
      std::string request;
      const char* answer;
    };
    const Row rows[] = {
        {"GET /else" + upgrade + "Upgrade: websocket\r\n\r\n", "HTTP/1.1 404"},
        {"GET /v1/stream" + upgrade + "Upgrade: websocket\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n",
         "HTTP/1.1 400"},
        {"GET /v1/stream" + upgrade + "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
         "HTTP/1.1 400"},
        {"GET /v1/stream HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 426"},
    };
    for (const Row& row : rows) {
      CAPTURE(row.request);
      auto c = rig.client();
      c->send(row.request);
      CHECK(rig.until_in(*c, "}"));
      CHECK(c->in.starts_with(row.answer));
    }
    auto pipe = rig.client();
    pipe->send("CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\nraw");
    CHECK(rig.until_end(*pipe));
    CHECK(rig.script.opened == 0);
  }

  TEST_CASE("a message in pieces is put together, with a ping between them") {
    NetRig rig;
    auto c = rig.websocket();
    const std::string big(5'000, 'x');
    c->send_frame(0x01, big);
    c->send_frame(0x89, "p");
    c->send_frame(0x80, "end");
    CHECK(rig.until([&] { return rig.script.messages.size() == 1; }));
    CHECK(rig.script.messages[0] == big + "end");
    CHECK(rig.until([&] {
      c->receive();
      return c->in.size() >= 3;
    }));
    CHECK(c->frames().at(0).payload == "p");
  }

  TEST_CASE("a publisher's messages are read in large portions: 200 of 400 bytes in a few turns") {
    NetRig rig;
    auto c = rig.websocket();
    for (int i = 0; i < 200; ++i) c->send_frame(0x81, std::to_string(i) + std::string(400, 'x'));
    int turns = 0;
    CHECK(rig.until([&] {
      turns += rig.script.messages.empty() || rig.script.messages.size() == 200 ? 0 : 1;
      return rig.script.messages.size() == 200;
    }));
    CHECK(turns < 20);  // one small read a turn took 160
    for (int i = 0; i < 200; ++i)
      CHECK(rig.script.messages[static_cast<std::size_t>(i)].starts_with(std::to_string(i) + "x"));
  }

  TEST_CASE("a message over the limit is rejected, and the close says why") {
    Config config;
    config.frame_max_bytes = 2'000;
    NetRig rig(config);
    auto c = rig.websocket();
    c->send_frame(0x81, std::string(3'000, 'x'));
    CHECK(rig.until([&] {
      c->receive();
      return c->in.size() > 2;
    }));
    const auto frames = c->frames();
    REQUIRE(frames.size() == 1);
    CHECK(close_code(frames[0]) == 1009);
    CHECK(frames[0].payload.substr(2) == "a message is larger than limits.frame_max_bytes");
    CHECK(rig.script.messages.empty());
    c->send_frame(0x88, frames[0].payload.substr(0, 2));
    CHECK(rig.until_end(*c));
    CHECK(rig.script.closed == 1);
  }

  TEST_CASE("broken UTF-8 and binary frames are rejected") {
    NetRig rig;
    for (const auto& [first, payload] :
         {std::pair<unsigned, std::string>{0x81, "\xc3("}, {0x81, "\xed\xa0\x80"}, {0x82, "{}"}}) {
      auto c = rig.websocket();
      const auto before = rig.script.rejected.size();
      c->send_frame(first, payload);
      CHECK(rig.until([&] { return rig.script.rejected.size() == before + 1; }));
      CHECK(rig.script.rejected.back().first == CloseReason::bad_request);
    }
    CHECK(rig.script.messages.empty());
  }

  TEST_CASE("a close comes behind what was written before it") {
    NetRig rig;
    auto c = rig.websocket(4'096);
    const std::string body(60'000, 'y');
    rig.script.batch = text_frame(body).size();
    for (int i = 0; i < 20; ++i) rig.script.only().queue += text_frame(body);
    CHECK(rig.until([&] { return rig.script.only().blocked; }));
    const std::size_t sent = rig.script.only().sent / text_frame(body).size();
    rig.script.outlet->close(rig.script.only().socket, CloseReason::restart, {});
    std::vector<WsFrame> frames;
    CHECK(rig.until([&] {
      c->receive();
      for (auto& frame : c->frames()) frames.push_back(std::move(frame));
      return c->ended || (!frames.empty() && frames.back().opcode == 0x88);
    }));
    REQUIRE(frames.size() >= sent);
    CHECK(close_code(frames.back()) == 1012);
  }

  TEST_CASE("a client that goes, politely or not, is told of once") {
    NetRig rig;
    auto polite = rig.websocket();
    auto rude = rig.websocket();
    polite->send_frame(0x88, std::string("\x03\xe8", 2));
    rude->hang_up();
    CHECK(rig.until([&] { return rig.script.closed == 2; }));
    CHECK(rig.until_end(*polite));
    CHECK(rig.server.connections() == 0);
  }

  TEST_CASE("a refused client is told to try later") {
    NetRig rig;
    rig.script.refuse = true;
    auto c = rig.client();
    c->send(
        "GET /v1/stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n");
    REQUIRE(rig.until_in(*c, "full"));
    c->in.erase(0, c->in.find("\r\n\r\n") + 4);
    CHECK(close_code(c->frames().at(0)) == 1013);
    c->hang_up();
    CHECK(rig.until([&] { return rig.server.connections() == 0; }));
    CHECK(rig.script.closed == 0);
  }

  TEST_CASE("every close that a stalled client does not answer ends in bounded time") {
    NetRig rig;
    auto c = rig.websocket();
    rig.script.outlet->close(rig.script.only().socket, CloseReason::slow_consumer, {});
    CHECK(rig.until_in(*c, "\x88"));
    CHECK(rig.server.connections() == 1);
    rig.clock.pass(Millis{6'000});
    rig.server.tick();
    CHECK(rig.until([&] { return rig.server.connections() == 0; }));
    CHECK(rig.script.closed == 1);
  }

  TEST_CASE(
      "slow reader: small buffers, random reads, pings between: every frame whole, in order, each pong intact") {
    constexpr int kMessages = 2'400;
    Config config;
    config.send_buffer_bytes = 4'096;
    NetRig rig(config);
    rig.script.batch = 16 * (4 + 1'024);
    auto c = rig.websocket(4'096);
    for (int i = 0; i < kMessages; ++i) {
      std::string payload = std::to_string(i) + ":";
      payload.resize(1'024, static_cast<char>('a' + i % 26));
      rig.script.only().queue += text_frame(payload);
    }
    std::mt19937 random(7);
    int next = 0;
    int pings = 0;
    int pongs = 0;
    int turn = 0;
    const bool all = rig.until([&] {
      if (++turn % 5 == 0 && pings < 400 && next < kMessages)
        c->send_frame(0x89, std::string(64, static_cast<char>('A' + pings++ % 26)));
      c->receive(1 + random() % 4'096);
      for (const WsFrame& frame : c->frames()) {
        if (frame.opcode == 0x8a) {
          ++pongs;
          REQUIRE(frame.payload == std::string(64, frame.payload[0]));
          continue;
        }
        REQUIRE(frame.opcode == 0x81);
        REQUIRE(frame.payload.size() == 1'024);
        REQUIRE(frame.payload.starts_with(std::to_string(next) + ":"));
        REQUIRE(frame.payload.back() == static_cast<char>('a' + next % 26));
        ++next;
      }
      return next == kMessages;
    });
    CHECK(all);
    CHECK(pongs > 10);
    CHECK(rig.script.only().partial > 20);
    MESSAGE("partial writes " << rig.script.only().partial << ", pings " << pings << ", pongs " << pongs);
  }
}

}  // namespace
}  // namespace tocsin::edge
