// Clients with tokens: the gateway behind a gate with a key.
#include <doctest/doctest.h>

#include <cstdlib>

#include "common/auth/token.h"
#include "edge/auth/gate.h"
#include "tests/unit/edge/session/rig.h"

using namespace tocsin;
using namespace tocsin::edge;
using namespace tocsin::edge::rig;

namespace {

constexpr const char* kEnv = "TOCSIN_TEST_EDGE_KEY";
const std::string kSecret = "0123456789abcdef0123456789abcdef";

Config guarded() {
  ::setenv(kEnv, kSecret.c_str(), 1);
  Config config;
  config.auth_key_env = kEnv;
  config.auth_leeway = Millis{0};
  config.auth_grace = Millis{3'000};
  return config;
}

struct Guarded : Rig {
  Guarded() : Rig(guarded()) {
    REQUIRE(gate.load());
    gateway->guard(gate);
    for (int i = 0; i < 3; ++i) broker.add("c", "I" + std::to_string(i));
  }
  /// A token of that subject for the channel "c" alone, unless said otherwise.
  std::string token(const std::string& subject, Millis lasts, const std::string& channel = "c") {
    const auto now = clock.wall_ms() / 1'000;
    const auth::Claims claims{subject, "", "", now, now + lasts.count() / 1'000, {{channel}, {channel}, {}}};
    return *auth::mint(claims, {"", *crypto::SigningKey::secret(kSecret)}, {});
  }
  Peer& with(const std::string& a_token) {
    Opening opening;
    opening.token = a_token;
    return connect(opening);
  }
  void publish_and_settle() {
    broker.add("c", "J");
    settle();
  }
  Gate gate{config, clock, metrics};
};

std::string refresh(const std::string& token) { return R"({"type":"refresh","token":")" + token + "\"}"; }

}  // namespace

TEST_CASE("without a token a client is closed at its first frame, or when it says nothing") {
  Guarded r;
  auto& asks = r.connect();
  r.say(asks, kSubscribe);
  r.settle();
  CHECK(asks.socket.closed);
  CHECK(asks.socket.reason == CloseReason::unauthenticated);
  CHECK(of_type(asks.take(), "subscribed").empty());
  auto& silent = r.connect();
  r.wait(r.config.connect_timeout + Millis{2'000});
  CHECK(silent.socket.closed);
  CHECK(silent.socket.reason == CloseReason::unauthenticated);
}

TEST_CASE("a token in connect lets in to what it permits, and no further") {
  Guarded r;
  auto& a = r.connect();
  r.say(a, R"({"type":"connect","token":")" + r.token("bob", Millis{60'000}) + "\"}");
  r.say(a, kSubscribe);
  r.say(a, R"({"type":"subscribe","id":"b","channel":"d"})");
  r.say(a, R"({"type":"publish","ref":"p","update":{"channel":"d","key":"K","incident":{"title":"t"}}})");
  r.settle();
  const auto frames = a.take();
  CHECK(of_type(frames, "welcome").size() == 1);
  CHECK(of_type(frames, "subscribed").size() == 1);
  const auto errors = of_type(frames, "error");
  REQUIRE(errors.size() == 2);
  CHECK(text_of(errors[0], "code") == "forbidden");
  CHECK(text_of(errors[0], "id") == "b");
  CHECK(text_of(errors[1], "code") == "forbidden");
  CHECK(text_of(errors[1], "ref") == "p");
  CHECK(r.broker.published.empty());
  CHECK_FALSE(a.socket.closed);
  REQUIRE(r.broker.sessions.size() == 1);
  CHECK(r.broker.sessions.begin()->second.subject == "bob");
}

TEST_CASE("after its token's end a client is given nothing; a refresh goes on where it was") {
  Guarded r;
  auto& a = r.with(r.token("bob", Millis{10'000}));
  r.say(a, kSubscribe);
  r.settle();
  a.take();
  r.wait(Millis{10'500});
  r.publish_and_settle();
  CHECK(of_type(a.take(), "update").empty());
  r.say(a, R"({"type":"subscribe","id":"b","channel":"c"})");
  r.say(a, refresh(r.token("bob", Millis{60'000})));
  r.settle();
  const auto frames = a.take();
  const auto updates = of_type(frames, "update");
  REQUIRE(updates.size() == 1);
  CHECK(number_of(updates[0], "offset") == 4);
  CHECK(of_type(frames, "subscribed").empty());
  REQUIRE(of_type(frames, "error").size() == 1);
  CHECK(text_of(of_type(frames, "error")[0], "code") == "unauthorized");
  r.wait(Millis{20'000});
  CHECK_FALSE(a.socket.closed);
}

TEST_CASE("who does not refresh is closed after the grace, without what waited") {
  Guarded r;
  auto& a = r.with(r.token("bob", Millis{10'000}));
  r.say(a, kSubscribe);
  r.settle();
  a.take();
  r.wait(Millis{10'500});
  r.publish_and_settle();
  r.wait(Millis{3'000});
  CHECK(a.socket.closed);
  CHECK(a.socket.reason == CloseReason::unauthenticated);
  const auto frames = a.take();
  CHECK(of_type(frames, "update").empty());
  CHECK(of_type(frames, "closing").size() == 1);
}

TEST_CASE("a refresh with another subject's token, or a bad one, closes") {
  Guarded r;
  for (const std::string& token : {r.token("eve", Millis{60'000}), std::string("a.b.c")}) {
    auto& a = r.with(r.token("bob", Millis{60'000}));
    r.say(a, R"({"type":"connect"})");
    r.say(a, refresh(token));
    r.settle();
    CHECK(a.socket.closed);
    CHECK(a.socket.reason == CloseReason::unauthenticated);
  }
}

TEST_CASE("a refresh that permits less ends the subscriptions it does not permit") {
  Guarded r;
  auto& a = r.with(r.token("bob", Millis{60'000}));
  r.say(a, kSubscribe);
  r.settle();
  a.take();
  r.say(a, refresh(r.token("bob", Millis{60'000}, "d")));
  r.publish_and_settle();
  const auto frames = a.take();
  CHECK(of_type(frames, "update").empty());
  REQUIRE(of_type(frames, "error").size() == 1);
  CHECK(text_of(of_type(frames, "error")[0], "id") == "a");
  CHECK_FALSE(a.socket.closed);
}

TEST_CASE("a ticket is its subject's, and a resume asks again what is permitted") {
  Guarded r;
  auto& a = r.with(r.token("bob", Millis{60'000}));
  r.say(a, kSubscribe);
  r.settle();
  const auto ticket = text_of(of_type(a.take(), "welcome").at(0), "ticket");
  r.drop(a);
  const std::string resume = R"({"type":"connect","ticket":")" + ticket + "\"}";
  auto& eve = r.with(r.token("eve", Millis{60'000}));
  r.say(eve, resume);
  r.settle();
  const auto refused = of_type(eve.take(), "error");
  REQUIRE(refused.size() == 1);
  CHECK(text_of(refused[0], "reason") == "foreign");
  auto& less = r.with(r.token("bob", Millis{60'000}, "d"));
  r.say(less, resume);
  r.settle();
  const auto frames = less.take();
  CHECK(of_type(frames, "subscribed").empty());
  REQUIRE(of_type(frames, "error").size() == 1);
  CHECK(text_of(of_type(frames, "error")[0], "code") == "forbidden");
  CHECK(text_of(of_type(frames, "error")[0], "id") == "a");
}

TEST_CASE("an event stream needs its token at once, and ends with it") {
  Guarded r;
  FakeSocket socket;
  Opening opening;
  opening.encoding.door = Door::sse;
  opening.query = "channel=c";
  CHECK(r.gateway->open(&socket, opening).error().code == Errc::unauthorized);
  opening.token = r.token("bob", Millis{10'000}, "d");
  CHECK(r.gateway->open(&socket, opening).error().code == Errc::forbidden);
  opening.token = r.token("bob", Millis{10'000});
  auto& a = r.connect(opening);
  r.settle();
  CHECK_FALSE(a.socket.closed);
  r.wait(Millis{10'500});
  CHECK(a.socket.closed);
  CHECK(a.socket.reason == CloseReason::unauthenticated);
}

TEST_CASE("a bad token in the header is explained before the close, whatever is said meanwhile") {
  Guarded r;
  Opening opening;
  opening.token = "a.b.c";
  auto& bad = r.connect(opening);
  r.say(bad, kSubscribe);
  r.settle();
  r.wait(Millis{200});
  CHECK(bad.socket.closed);
  CHECK(bad.socket.reason == CloseReason::unauthenticated);
  const auto frames = bad.take();
  REQUIRE(frames.size() == 1);
  CHECK(type_of(frames[0]) == "closing");
}

TEST_CASE("rules without a key are a mistake, not an open door") {
  Config config;
  config.auth_issuer = "me";
  ManualClock clock;
  metrics::Registry registry;
  Metrics metrics{registry};
  CHECK_FALSE(Gate(config, clock, metrics).load());
  config = guarded();
  config.auth_algorithms = "HS256, none";
  CHECK_FALSE(Gate(config, clock, metrics).load());
}
