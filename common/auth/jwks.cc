#include "common/auth/jwks.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "common/crypto/crypto.h"
#include "common/json/members.h"

namespace tocsin::auth {
namespace {

using crypto::SigningKey;

std::string_view text_of(const json::Value& object, std::string_view name) {
  const json::Value* v = json::find(object, name);
  return v != nullptr && v->IsString() ? json::view(*v) : std::string_view{};
}

Result<std::string> bytes_of(const json::Value& jwk, std::string_view name) {
  const auto text = text_of(jwk, name);
  if (text.empty()) return json::bad_member(name, "is required");
  return crypto::base64url_decode(text);
}

/// For signatures, as far as it says.
bool for_signatures(const json::Value& jwk) {
  if (const auto* use = json::find(jwk, "use"); use != nullptr && text_of(jwk, "use") != "sig") return false;
  const json::Value* operations = json::find(jwk, "key_ops");
  if (operations == nullptr) return true;
  if (!operations->IsArray()) return false;
  const auto list = operations->GetArray();
  return std::any_of(list.begin(), list.end(),
                     [](const json::Value& v) { return v.IsString() && json::view(v) == "verify"; });
}

Result<SigningKey> from_two(const json::Value& jwk, const char* first, const char* second,
                            Result<SigningKey> (*make)(std::string_view, std::string_view)) {
  const auto a = bytes_of(jwk, first);
  if (!a) return a.error();
  const auto b = bytes_of(jwk, second);
  if (!b) return b.error();
  return make(*a, *b);
}

/// Nothing when it is of a kind that is not ours.
std::optional<Result<SigningKey>> key_of(const json::Value& jwk) {
  const auto type = text_of(jwk, "kty");
  const auto curve = text_of(jwk, "crv");
  const auto algorithm = text_of(jwk, "alg");
  const auto is = [&](std::string_view kind, std::string_view on, std::string_view name) {
    return type == kind && curve == on && (algorithm.empty() || algorithm == name);
  };
  if (is("RSA", "", "RS256")) return from_two(jwk, "n", "e", SigningKey::rsa);
  if (is("EC", "P-256", "ES256")) return from_two(jwk, "x", "y", SigningKey::p256);
  if (is("OKP", "Ed25519", "EdDSA")) {
    const auto x = bytes_of(jwk, "x");
    return x ? SigningKey::ed25519(*x) : Result<SigningKey>(x.error());
  }
  if (is("oct", "", "HS256")) {
    auto k = bytes_of(jwk, "k");
    return k ? SigningKey::secret(*std::move(k)) : Result<SigningKey>(k.error());
  }
  return std::nullopt;
}

}  // namespace

bool names_twice(const json::Value& value) {
  if (value.IsArray()) {
    const auto list = value.GetArray();
    return std::any_of(list.begin(), list.end(), [](const json::Value& v) { return names_twice(v); });
  }
  if (!value.IsObject()) return false;
  std::vector<std::string_view> names;
  for (const auto& member : value.GetObject()) {
    if (names_twice(member.value)) return true;
    names.push_back(json::view(member.name));
  }
  std::sort(names.begin(), names.end());
  return std::adjacent_find(names.begin(), names.end()) != names.end();
}

Result<std::vector<VerifyingKey>> parse_jwks(std::string_view text) {
  const auto doc = json::parse(text);
  if (!doc) return doc.error();
  const json::Value* keys = json::find(*doc, "keys");
  if (keys == nullptr || !keys->IsArray())
    return Error{Errc::invalid_argument, "a JWK set has a list \"keys\""};
  if (names_twice(*doc)) return Error{Errc::invalid_argument, "a member is named twice"};
  std::vector<VerifyingKey> out;
  std::size_t at = 0;
  for (const auto& jwk : keys->GetArray()) {
    const std::string which = "key " + std::to_string(at++) + ": ";
    if (!jwk.IsObject()) return Error{Errc::invalid_argument, which + "not an object"};
    if (!for_signatures(jwk)) continue;
    auto key = key_of(jwk);
    if (!key) continue;
    if (!*key) return Error{Errc::invalid_argument, which + key->error().detail};
    std::string id(text_of(jwk, "kid"));
    if (id.size() > kMaxKeyId) return Error{Errc::invalid_argument, which + "\"kid\" is too long"};
    if (out.size() == kMaxKeys)
      return Error{Errc::invalid_argument, "at most " + std::to_string(kMaxKeys) + " keys"};
    out.push_back({std::move(id), **std::move(key)});
  }
  if (out.empty()) return Error{Errc::invalid_argument, "no key in it is for RS256, ES256, EdDSA or HS256"};
  return out;
}

}  // namespace tocsin::auth
