#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "common/auth/keyring.h"
#include "common/auth/token.h"
#include "common/crypto/crypto.h"

using namespace tocsin;
using namespace tocsin::auth;
using crypto::Algorithm;
using crypto::SigningKey;

namespace {

constexpr std::int64_t kNow = 1'760'000'000'000;
const std::string kSecret = "0123456789abcdef0123456789abcdef";

// RFC 7515 appendix A: the payload of A.1 to A.3 and the public keys, as a JWK set.
const std::string kPayload =
    ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.";
const std::string kHs =
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9" + kPayload + "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const std::string kRs =
    "eyJhbGciOiJSUzI1NiJ9" + kPayload +
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_"
    "O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_"
    "eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
const std::string kEs =
    "eyJhbGciOiJFUzI1NiJ9" + kPayload +
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
const std::string kJwkHs =
    R"({"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"})";
const std::string kJwkRs =
    R"({"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"})";
const std::string kJwkEs =
    R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})";

std::string set_of(const std::string& keys) { return R"({"keys":[)" + keys + "]}"; }

std::vector<VerifyingKey> keys_of(const std::string& keys) {
  auto out = parse_jwks(set_of(keys));
  REQUIRE_MESSAGE(out, (out ? "" : out.error().detail));
  return *std::move(out);
}

std::vector<VerifyingKey> own_keys() { return {{"", *SigningKey::secret(kSecret)}}; }

Rules rules() {
  Rules out;
  out.algorithms = {Algorithm::hs256, Algorithm::rs256, Algorithm::es256, Algorithm::eddsa};
  return out;
}

/// A token with this header and payload, rightly signed with kSecret.
std::string hs(const std::string& header, const std::string& payload) {
  const auto text = crypto::base64url_encode(header) + "." + crypto::base64url_encode(payload);
  return text + "." + crypto::base64url_encode(crypto::hmac_sha256(kSecret, text));
}
std::string hs(const std::string& payload) { return hs(R"({"alg":"HS256"})", payload); }
const std::string kGood = R"({"sub":"a","exp":1760000100})";

/// What verify() says of it; empty: taken.
std::string said(const std::string& token, const Rules& r = rules(), std::int64_t now = kNow) {
  const auto got = verify(token, own_keys(), r, now);
  if (got) return "";
  CHECK(got.error().code == Errc::unauthorized);
  return got.error().detail;
}

struct Folder {
  Folder() {
    char name[] = "/tmp/tocsin-auth-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string write(const std::string& name, const std::string& text) const {
    const std::string file = path + "/" + name;
    std::ofstream(file, std::ios::trunc) << text;
    return file;
  }
  std::string path;
};

}  // namespace

TEST_CASE("the tokens of RFC 7515 appendix A verify with the keys given there") {
  Rules r = rules();
  r.subject_claim = "iss";
  const std::int64_t then = 1'300'000'000'000;
  for (const auto& [token, key] : {std::pair{kHs, kJwkHs}, {kRs, kJwkRs}, {kEs, kJwkEs}}) {
    const auto got = verify(token, keys_of(key), r, then);
    REQUIRE(got);
    CHECK(got->subject == "joe");
    CHECK(got->expires_ms == 1'300'819'380'000 + 30'000);
    CHECK(got->permissions == Permissions{});
    CHECK_FALSE(verify(token, keys_of(key), r, 1'300'819'380'000 + 30'000));
    std::string bent = token;
    bent[bent.size() - 10] = bent[bent.size() - 10] == 'A' ? 'B' : 'A';
    CHECK_FALSE(verify(bent, keys_of(key), r, then));
  }
  CHECK_FALSE(verify(kRs, keys_of(kJwkEs + "," + kJwkHs), r, then));
}

TEST_CASE("the signature of RFC 8037 appendix A.4 verifies") {
  const auto keys =
      keys_of(R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})");
  const std::string text = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
  const auto signature = crypto::base64url_decode(
      "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg");
  REQUIRE(signature);
  CHECK(keys[0].key.algorithm() == Algorithm::eddsa);
  CHECK(keys[0].key.verify(text, *signature));
  CHECK_FALSE(keys[0].key.verify(text + " ", *signature));
}

TEST_CASE("only an allowed algorithm that is the key's own counts") {
  CHECK(said(hs(kGood)) == "");
  CHECK(said(hs(R"({"alg":"none"})", kGood)) == "the token's algorithm is not allowed");
  CHECK(said(hs(R"({"alg":"None"})", kGood)) == "the token's algorithm is not allowed");
  CHECK(said(hs(R"({"alg":"hs256"})", kGood)) == "the token's algorithm is not allowed");
  CHECK(said(hs(R"({"alg":"HS512"})", kGood)) == "the token's algorithm is not allowed");
  CHECK(said(hs(R"({"typ":"JWT"})", kGood)) == "the token's algorithm is not allowed");
  CHECK(said(hs(R"({"alg":["HS256"]})", kGood)) == "the token's algorithm is not allowed");
  const auto text =
      crypto::base64url_encode(R"({"alg":"none"})") + "." + crypto::base64url_encode(kGood) + ".";
  CHECK_FALSE(said(text).empty());
  Rules only_es = rules();
  only_es.algorithms = {Algorithm::es256};
  CHECK(said(hs(kGood), only_es) == "the token's algorithm is not allowed");
  CHECK(said(hs(R"({"alg":"RS256"})", kGood)) == "the token's algorithm is that of no key here");
}

TEST_CASE("a public key is never taken for the secret of HS256") {
  // The classic: the verifier's public PEM, used by the attacker as an HMAC key.
  const std::string pem =
      "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
  const auto keys = SigningKey::public_pem(pem);
  REQUIRE(keys);
  CHECK(SigningKey::public_pem(pem + pem)->size() == 2);
  CHECK_FALSE(SigningKey::public_pem(pem + "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"));
  const auto text = crypto::base64url_encode(R"({"alg":"HS256"})") + "." + crypto::base64url_encode(kGood);
  const auto forged = text + "." + crypto::base64url_encode(crypto::hmac_sha256(pem, text));
  CHECK_FALSE(verify(forged, {{"", (*keys)[0]}}, rules(), kNow));
  CHECK_FALSE(SigningKey::secret(pem));
}

TEST_CASE("a header that asks for something else is refused") {
  CHECK(said(hs(R"({"alg":"HS256","crit":["exp"],"exp":1})", kGood)).find("critical") != std::string::npos);
  CHECK(said(hs(R"({"alg":"HS256","crit":[]})", kGood)).find("critical") != std::string::npos);
  CHECK(said(hs(R"({"alg":"HS256","typ":"secevent+jwt"})", kGood)) == "the token is of another type");
  CHECK(said(hs(R"({"alg":"HS256","typ":5})", kGood)) == "the token is of another type");
  CHECK(said(hs(R"({"alg":"HS256","typ":"jwt"})", kGood)) == "");
  CHECK(said(hs(R"({"alg":"HS256","typ":"application/at+jwt"})", kGood)) == "");
  CHECK(said(hs(R"({"alg":"none","alg":"HS256"})", kGood)) == "the token's header names a member twice");
  CHECK(said(hs(R"(["HS256"])", kGood)) == "the token's header is no JSON object");
  CHECK_FALSE(said(hs(R"({"alg":"HS256","kid":7})", kGood)).empty());
}

TEST_CASE("a payload is taken only when nothing in it is doubtful") {
  CHECK(said(hs(R"({"sub":"a","sub":"root","exp":1760000100})")) ==
        "the token's payload names a member twice");
  CHECK(said(hs(R"({"sub":"a","exp":1760000100,"x":{"y":1,"y":2}})")) ==
        "the token's payload names a member twice");
  CHECK(said(hs(R"({"sub":"a"})")) == "the token does not say when it expires");
  CHECK(said(hs(R"({"sub":"a","exp":"1760000100"})")) == "\"exp\" is no date");
  CHECK(said(hs(R"({"sub":"a","exp":1e300})")) == "\"exp\" is no date");
  CHECK(said(hs(R"({"sub":"a","exp":-1})")) == "\"exp\" is no date");
  CHECK(said(hs(R"({"sub":"a","exp":null})")) == "\"exp\" is no date");
  CHECK(said(hs(R"({"exp":1760000100})")) == "the token has no \"sub\"");
  CHECK(said(hs(R"({"sub":"","exp":1760000100})")) == "the token has no \"sub\"");
  CHECK(said(hs(R"({"sub":7,"exp":1760000100})")) == "the token has no \"sub\"");
  CHECK(said(hs("[]")) == "the token's payload is no JSON object");
  CHECK_FALSE(said(hs(R"({"sub":"a","exp":1760000100,"permissions":{"subscribe":"*"}})")).empty());
  CHECK_FALSE(said(hs(R"({"sub":"a","exp":1760000100,"permissions":["subscribe:a*b"]})")).empty());
}

TEST_CASE("dates count with the leeway") {
  const std::string token = hs(R"({"sub":"a","exp":1760000000,"nbf":1759990000.5})");
  CHECK(said(token, rules(), 1'760'000'029'999) == "");
  CHECK(said(token, rules(), 1'760'000'030'000) == "the token has expired");
  CHECK(said(token, rules(), 1'759'989'970'500) == "");
  CHECK(said(token, rules(), 1'759'989'970'499) == "the token is not valid yet");
}

TEST_CASE("issuer and audience must be the configured ones") {
  Rules r = rules();
  r.issuer = "https://id.example";
  CHECK(said(hs(kGood), r) == "the token is another issuer's");
  CHECK(said(hs(R"({"sub":"a","exp":1760000100,"iss":"https://id.example"})"), r) == "");
  CHECK(said(hs(R"({"sub":"a","exp":1760000100,"iss":["https://id.example"]})"), r) ==
        "the token is another issuer's");
  r.issuer.clear();
  r.audience = "tocsin";
  CHECK(said(hs(R"({"sub":"a","exp":1760000100,"aud":"tocsin"})"), r) == "");
  CHECK(said(hs(R"({"sub":"a","exp":1760000100,"aud":["x","tocsin"]})"), r) == "");
  CHECK(said(hs(R"({"sub":"a","exp":1760000100,"aud":"tocsin2"})"), r) ==
        "the token is for another audience");
  CHECK(said(hs(kGood), r) == "the token is for another audience");
}

TEST_CASE("texts that are no tokens") {
  for (const char* text : {"", ".", "..", "...", "a", "a.b", "a.b.c", "a.b.c.d"})
    CHECK_FALSE(said(text).empty());
  CHECK(said(hs(kGood) + "=") == "the token's signature is not base64url");
  CHECK(said(hs(kGood) + "AAAA") == "the token's signature is not valid");
  CHECK(said(hs(kGood) + ".") == "the token does not have three parts");
  CHECK(said(hs(R"({"sub":"a","exp":1760000100,"x":")" + std::string(kMaxToken, 'x') + "\"}")) ==
        "the token is too long");
}

TEST_CASE("permissions go by pattern") {
  const auto got = verify(
      hs(R"({"sub":"a","exp":1760000100,"permissions":{"subscribe":["incidents","tenant-7/*"],"admin":["*"]}})"),
      own_keys(), rules(), kNow);
  REQUIRE(got);
  const Permissions& p = got->permissions;
  CHECK(p.allow(Action::subscribe, "incidents"));
  CHECK_FALSE(p.allow(Action::subscribe, "incidents2"));
  CHECK_FALSE(p.allow(Action::subscribe, "incident"));
  CHECK(p.allow(Action::subscribe, "tenant-7/a/b"));
  CHECK_FALSE(p.allow(Action::subscribe, "tenant-7"));
  CHECK_FALSE(p.allow(Action::subscribe, "tenant-7/"));
  CHECK_FALSE(p.allow(Action::subscribe, "tenant-77/a"));
  CHECK_FALSE(p.allow(Action::publish, "incidents"));
  CHECK(p.allow(Action::admin, "anything/at-all"));
  CHECK(p.allow_all(Action::admin));
  CHECK_FALSE(p.allow_all(Action::subscribe));
  for (const char* bad : {"", "a*", "*a", "a/*/b", "**", "/*", "a/**"}) CHECK_FALSE(check_pattern(bad));
  for (const char* good : {"a", "*", "a/*", "a/b/*"}) CHECK(check_pattern(good));
}

TEST_CASE("permissions as words are those of their object") {
  const auto object = json::parse(R"({"subscribe":["a","b/*"],"publish":["c"]})");
  for (const char* text : {R"(["subscribe:a","subscribe:b/*","publish:c","openid"])",
                           R"("openid subscribe:a  subscribe:b/* publish:c ")"}) {
    const auto words = json::parse(text);
    CHECK(*parse_permissions(*words) == *parse_permissions(*object));
  }
  for (const char* bad : {"5", "null", "[5]", R"({"subscribe":[5]})", R"("subscribe:")"}) {
    const auto doc = json::parse(bad);
    CHECK_FALSE(parse_permissions(*doc));
  }
}

TEST_CASE("what is minted verifies to the same") {
  Claims claims{"bob \"x\"", "me", "you", kNow / 1'000, kNow / 1'000 + 60, {{"incidents"}, {"t/*"}, {}}};
  const VerifyingKey key{"k1", *SigningKey::secret(kSecret)};
  const auto token = mint(claims, key, rules());
  REQUIRE(token);
  Rules r = rules();
  r.issuer = "me";
  r.audience = "you";
  const auto got = verify(*token, {key}, r, kNow);
  REQUIRE(got);
  CHECK(got->subject == claims.subject);
  CHECK(got->permissions == claims.permissions);
  CHECK_FALSE(verify(*token, {{"k2", key.key}}, r, kNow));
}

TEST_CASE("a JWK set: what is not ours is passed over, what is spoiled spoils the set") {
  CHECK(keys_of(kJwkRs + R"(,{"kty":"EC","crv":"P-521","x":"AA","y":"AA"},{"kty":"new"})").size() == 1);
  CHECK(keys_of(kJwkRs + R"(,{"kty":"RSA","use":"enc","n":"AA","e":"AQAB"})").size() == 1);
  for (
      const std::string& bad :
      {std::string("{"), std::string("[]"), set_of(""), set_of("5"), set_of(R"({"kty":"new"})"),
       set_of(R"({"kty":"RSA","n":"AQAB","e":"AQAB"})"), set_of(R"({"kty":"oct","k":"c2hvcnQ"})"),
       set_of(
           R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"})"),
       set_of(R"({"kty":"OKP","crv":"Ed25519","x":"AAAA"})"),
       set_of(kJwkRs + R"(,{"kty":"RSA","kty":"oct"})")})
    CHECK_FALSE_MESSAGE(parse_jwks(bad), bad);
}

TEST_CASE("a keyring honours what is listed, and keeps its keys when a file is spoiled") {
  const Folder folder;
  const auto old_key = R"({"kty":"oct","kid":"old","k":"b2xkb2xkb2xkb2xkb2xkb2xkb2xkb2xkb2xkb2xkb2xk"})";
  const auto new_key = R"({"kty":"oct","kid":"new","k":"bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3"})";
  const auto file = folder.write("jwks.json", set_of(old_key));
  Keyring ring({{}, {}, file});
  REQUIRE(ring.load());
  const auto mint_with = [&](const char* key) {
    return *mint({"a", "", "", 0, kNow / 1'000 + 60, {}}, keys_of(key)[0], rules());
  };
  const auto by_old = mint_with(old_key);
  const auto by_new = mint_with(new_key);
  const auto taken = [&](const std::string& token) {
    return bool(verify(token, ring.keys(), rules(), kNow));
  };
  CHECK(taken(by_old));
  CHECK_FALSE(taken(by_new));
  CHECK_FALSE(ring.changed());
  folder.write("jwks.json", set_of(std::string(old_key) + "," + new_key));
  CHECK(ring.changed());
  REQUIRE(ring.load());
  CHECK(taken(by_old));
  CHECK(taken(by_new));
  folder.write("jwks.json", "{\"keys\":");
  const auto spoiled = ring.load();
  REQUIRE_FALSE(spoiled);
  CHECK(spoiled.error().detail.find("jwks.json") != std::string::npos);
  CHECK(taken(by_old));
  CHECK(taken(by_new));
  CHECK_FALSE(ring.changed());  // said once, not at each look
  folder.write("jwks.json", set_of(new_key));
  REQUIRE(ring.load());
  CHECK_FALSE(taken(by_old));
  CHECK(taken(by_new));
}

TEST_CASE("keys from a secret file and from the environment") {
  const Folder folder;
  Keyring file({folder.write("secret", kSecret + "\n"), {}, {}});
  REQUIRE(file.load());
  CHECK(verify(hs(kGood), file.keys(), rules(), kNow));
  ::setenv("TOCSIN_TEST_AUTH_KEY", kSecret.c_str(), 1);
  Keyring env({{}, "TOCSIN_TEST_AUTH_KEY", {}});
  REQUIRE(env.load());
  CHECK(verify(hs(kGood), env.keys(), rules(), kNow));
  ::unsetenv("TOCSIN_TEST_AUTH_KEY");
  CHECK_FALSE(env.load());
  CHECK(env.keys().size() == 1);
  CHECK_FALSE(Keyring({folder.write("short", "short\n"), {}, {}}).load());
  CHECK_FALSE(Keyring({folder.path + "/none", {}, {}}).load());
  CHECK_FALSE(
      Keyring({folder.write("pem", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), {}, {}})
          .load());
}
