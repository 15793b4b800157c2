// Keys by URL, and what was revoked.
#include <doctest/doctest.h>

#include "common/auth/token.h"
#include "common/crypto/crypto.h"
#include "edge/auth/gate.h"

using namespace tocsin;
using namespace tocsin::edge;

namespace {

class ManualClock final : public Clock {
 public:
  [[nodiscard]] Instant steady() const override { return now; }
  [[nodiscard]] std::int64_t wall_ms() const override {
    return 1'760'000'000'000 + now.time_since_epoch().count();
  }
  Instant now{Millis{1'000'000}};
};

// Ed25519 key pairs, made for this test: seeds in PKCS #8.
constexpr const char* kOld =
    "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
constexpr const char* kOldX = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

std::string set_of(const std::string& keys) { return "{\"keys\":[" + keys + "]}"; }
std::string okp(const std::string& kid, const std::string& x) {
  return R"({"kty":"OKP","crv":"Ed25519","kid":")" + kid + R"(","x":")" + x + "\"}";
}

struct Door {
  explicit Door(Config c) : config(std::move(c)) {
    REQUIRE(gate.load());
    gate.fetch_by([this](std::function<void(Result<std::string>)> done) {
      ++fetches;
      answer = std::move(done);
    });
  }
  static Config by_url() {
    Config config;
    config.auth_jwks_url = "https://id.example/jwks";
    config.auth_leeway = Millis{0};
    config.auth_jwks_refresh = Millis{60'000};
    config.auth_jwks_floor = Millis{5'000};
    config.auth_jwks_keep = Millis{30'000};
    return config;
  }
  void pass(Millis time) {
    for (; time.count() > 0; time -= Millis{100}) {
      clock.now += Millis{100};
      gate.tick();
    }
  }
  void give(Result<std::string> text) {
    REQUIRE(answer);
    std::exchange(answer, nullptr)(std::move(text));
  }
  std::string token(const std::string& kid, const std::string& jti = "", std::int64_t issued_ago_s = 0) {
    const auto now = clock.wall_ms() / 1'000;
    auth::Claims claims{"bob", "", "", now - issued_ago_s, now + 3'600, {{"*"}, {}, {}}};
    claims.token_id = jti;
    return *auth::mint(claims, {kid, *crypto::SigningKey::private_pem(kOld)}, {});
  }
  Errc code(const std::string& a_token) {
    const auto holder = gate.admit(a_token);
    return holder ? Errc::internal : holder.error().code;  // internal: let in
  }

  Config config;
  ManualClock clock;
  metrics::Registry registry;
  Metrics metrics{registry};
  Gate gate{config, clock, metrics};
  std::function<void(Result<std::string>)> answer;
  int fetches = 0;
};
constexpr Errc kIn = Errc::internal;

}  // namespace

TEST_CASE("PROTOCOL 9.8: no token is good, and none is bad, before keys are known; then they are honoured") {
  Door d(Door::by_url());
  CHECK_FALSE(d.gate.open());
  CHECK(d.code(d.token("old")) == Errc::unavailable);
  d.pass(Millis{100});
  CHECK(d.fetches == 1);
  d.give(Error{Errc::unavailable, "dead"});
  CHECK(d.code(d.token("old")) == Errc::unavailable);
  d.pass(Millis{1'100});
  CHECK(d.fetches == 2);
  d.give(set_of(okp("old", kOldX)));
  CHECK(d.code(d.token("old")) == kIn);
}

TEST_CASE("a dead or spoiled URL keeps the last good keys, and is asked again with growing pauses") {
  Door d(Door::by_url());
  d.pass(Millis{100});
  d.give(set_of(okp("old", kOldX)));
  d.pass(Millis{60'000});
  CHECK(d.fetches == 2);
  for (const char* bad :
       {"{", "{\"keys\":[]}",
        R"({"keys":[{"kty":"oct","kid":"s","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}]})"}) {
    d.give(std::string(bad));
    CHECK(d.code(d.token("old")) == kIn);
    while (!d.answer) d.pass(Millis{100});
  }
  CHECK(d.fetches == 5);
}

TEST_CASE("a secret that comes by URL verifies nothing") {
  Door d(Door::by_url());
  d.pass(Millis{100});
  const std::string secret = "0123456789abcdef0123456789abcdef";
  d.give(set_of(okp("old", kOldX) + R"(,{"kty":"oct","kid":"s","k":")" + crypto::base64url_encode(secret) +
                "\"}"));
  const auto now = d.clock.wall_ms() / 1'000;
  const auto token = *auth::mint({"eve", "", "", now, now + 60, {{"*"}, {}, {}}},
                                 {"s", *crypto::SigningKey::secret(secret)}, {});
  CHECK(d.code(token) == Errc::unauthorized);
}

TEST_CASE("an unknown key is fetched at once, but not more often than the floor") {
  Door d(Door::by_url());
  d.pass(Millis{100});
  d.give(set_of(okp("other", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")));
  const int before = d.fetches;
  for (int i = 0; i < 20; ++i) {
    CHECK(d.code(d.token("new" + std::to_string(i))) == Errc::unauthorized);
    d.pass(Millis{100});
  }
  CHECK(d.fetches == before);
  d.pass(Millis{3'000});
  CHECK(d.fetches == before + 1);
  d.give(set_of(okp("old", kOldX)));
  CHECK(d.code(d.token("old")) == kIn);
}

TEST_CASE("a key that is no longer listed is honoured for auth.jwks_keep_ms, and not longer") {
  Door d(Door::by_url());
  d.pass(Millis{100});
  d.give(set_of(okp("old", kOldX)));
  const auto token = d.token("old");
  CHECK(d.code(token) == kIn);
  d.pass(Millis{60'000});
  d.give(set_of(okp("other", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")));
  CHECK(d.code(token) == kIn);
  d.pass(Millis{29'000});
  CHECK(d.code(token) == kIn);
  d.pass(Millis{1'100});
  CHECK(d.code(token) == Errc::unauthorized);
}

TEST_CASE("PROTOCOL 9.7: a token is revoked by its id, a subject's by when they were issued, for a while") {
  Door d(Door::by_url());
  d.pass(Millis{100});
  d.give(set_of(okp("old", kOldX)));
  using Of = link::Revocation::Of;
  const auto a = d.token("old", "a"), b = d.token("old", "b", 10);
  CHECK(d.code(a) == kIn);
  const auto until = d.clock.wall_ms() + 5'000;
  CHECK(d.gate.revoked({{Of::token, "a", 0, until, 1}}));
  CHECK_FALSE(d.gate.revoked({{Of::token, "a", 0, until, 1}}));
  CHECK(d.code(a) == Errc::unauthorized);
  CHECK(d.code(b) == kIn);
  CHECK(d.gate.revoked({{Of::subject, "bob", d.clock.wall_ms() - 5'000, until, 2}}));
  CHECK(d.code(b) == Errc::unauthorized);
  CHECK(d.code(d.token("old", "c")) == kIn);
  CHECK(d.gate.revocations().size() == 2);
  d.pass(Millis{6'500});
  CHECK(d.gate.revocations().empty());
}

TEST_CASE("rows without keys, and a policy that is none, are mistakes") {
  ManualClock clock;
  metrics::Registry registry;
  Metrics metrics{registry};
  Config config;
  config.auth_row_policy = "tenant=label.tenant";
  CHECK_FALSE(Gate(config, clock, metrics).load());
  for (const char* bad : {"tenant", "=label.x", "tenant=status", "tenant=label.", "a=team,b=team"}) {
    config = Door::by_url();
    config.auth_row_policy = bad;
    CHECK_FALSE(Gate(config, clock, metrics).load());
  }
}

TEST_CASE("a reload changes rules for tokens to come, or nothing; whether tokens are asked for stays") {
  Door d(Door::by_url());
  d.pass(Millis{100});
  d.give(set_of(okp("old", kOldX)));
  CHECK(d.code(d.token("old")) == kIn);
  Config next = d.config;
  next.auth_audience = "somebody else";
  REQUIRE(d.gate.check(next));
  CHECK(d.code(d.token("old")) == kIn);
  d.gate.apply();
  CHECK(d.code(d.token("old")) == Errc::unauthorized);
  next.auth_algorithms = "none";
  CHECK_FALSE(d.gate.check(next));
  d.gate.apply();
  next = d.config;
  next.auth_key_file = "/there/is/none";
  CHECK_FALSE(d.gate.check(next));
  CHECK_FALSE(d.gate.check(Config{}));
  REQUIRE(d.gate.check(d.config));
  d.gate.apply();
  CHECK(d.code(d.token("old")) == kIn);
}
