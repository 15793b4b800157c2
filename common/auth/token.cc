#include "common/auth/token.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <optional>
#include <utility>

#include "common/crypto/crypto.h"

namespace tocsin::auth {
namespace {

constexpr double kLatest = 1e11;  ///< seconds since 1970: beyond it nobody means a date

Error refused(std::string why) { return {Errc::unauthorized, std::move(why)}; }

struct Header {
  crypto::Algorithm algorithm{};
  std::string key_id;
};

Result<json::Document> object_of(std::string_view part, const char* what) {
  const auto text = crypto::base64url_decode(part);
  if (!text) return refused(std::string("the token's ") + what + " is not base64url");
  auto doc = json::parse(*text);
  if (!doc || !doc->IsObject()) return refused(std::string("the token's ") + what + " is no JSON object");
  if (names_twice(*doc)) return refused(std::string("the token's ") + what + " names a member twice");
  return doc;
}

bool right_type(std::string_view type) {
  std::string lower(type);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  constexpr std::string_view kMedia = "application/";
  const auto name = lower.starts_with(kMedia) ? std::string_view(lower).substr(kMedia.size()) : lower;
  return name == "jwt" || name == "at+jwt";
}

Result<Header> header_of(std::string_view part, const Rules& rules) {
  const auto doc = object_of(part, "header");
  if (!doc) return doc.error();
  if (json::find(*doc, "crit") != nullptr)
    return refused("the token has critical members that are not understood");
  const json::Value* type = json::find(*doc, "typ");
  if (type != nullptr && (!type->IsString() || !right_type(json::view(*type))))
    return refused("the token is of another type");
  const auto name = json::string_member(*doc, "alg");
  const auto algorithm = name && *name ? crypto::algorithm_named(**name) : std::nullopt;
  if (!algorithm ||
      std::find(rules.algorithms.begin(), rules.algorithms.end(), *algorithm) == rules.algorithms.end())
    return refused("the token's algorithm is not allowed");
  Header header{*algorithm, {}};
  const auto id = json::string_member(*doc, "kid");
  if (!id || (*id && (*id)->size() > kMaxKeyId)) return refused("the token's \"kid\" is no key's name");
  header.key_id = id->value_or("");
  return header;
}

/// Each reason of its own, for the audit log: an unknown key is a rotation, another algorithm an attack.
Status check_signature(const Header& header, std::string_view text, const std::string& signature,
                       const std::vector<VerifyingKey>& keys) {
  bool named = false;
  bool fits = false;
  for (const auto& k : keys) {
    if (!k.id.empty() && !header.key_id.empty() && k.id != header.key_id) continue;
    named = true;
    if (k.key.algorithm() != header.algorithm) continue;
    fits = true;
    if (k.key.verify(text, signature)) return Done{};
  }
  if (!named) return refused("the token's key is not known here");
  return refused(fits ? "the token's signature is not valid"
                      : "the token's algorithm is that of no key here");
}

/// A date in milliseconds; nullopt: absent. Fails when it is none.
Result<std::optional<std::int64_t>> date_of(const json::Value& claims, std::string_view name) {
  const json::Value* v = json::find(claims, name);
  if (v == nullptr) return std::optional<std::int64_t>();
  if (!v->IsNumber() || !(v->GetDouble() >= 0) || v->GetDouble() > kLatest)
    return refused("\"" + std::string(name) + "\" is no date");
  return std::optional<std::int64_t>(static_cast<std::int64_t>(v->GetDouble() * 1e3));
}

/// A text, or a list that has it.
bool has_text(const json::Value& claims, std::string_view name, std::string_view wanted) {
  const json::Value* v = json::find(claims, name);
  if (v == nullptr) return false;
  const auto is = [&](const json::Value& one) { return one.IsString() && json::view(one) == wanted; };
  if (!v->IsArray()) return is(*v);
  const auto list = v->GetArray();
  return std::any_of(list.begin(), list.end(), is);
}

Result<std::int64_t> expiry_of(const json::Value& claims, const Rules& rules, std::int64_t now_ms) {
  const std::int64_t leeway_ms = std::chrono::milliseconds(rules.leeway).count();
  const auto expires = date_of(claims, "exp");
  if (!expires) return expires.error();
  if (!*expires) return refused("the token does not say when it expires");
  if (**expires + leeway_ms <= now_ms) return refused("the token has expired");
  const auto starts = date_of(claims, "nbf");
  if (!starts) return starts.error();
  if (*starts && **starts - leeway_ms > now_ms) return refused("the token is not valid yet");
  return **expires + leeway_ms;
}

/// What a token is taken back by.
Status take_identity(const json::Value& claims, Principal& out) {
  const auto id = json::string_member(claims, "jti");
  if (!id || (*id && (*id)->size() > kMaxTokenId)) return refused("the token's \"jti\" is no name");
  out.token_id = id->value_or("");
  const auto issued = date_of(claims, "iat");
  if (!issued) return issued.error();
  out.issued_ms = issued->value_or(0);
  return Done{};
}

Result<Principal> principal_of(const json::Value& claims, const Rules& rules, std::int64_t now_ms) {
  const auto expires = expiry_of(claims, rules, now_ms);
  if (!expires) return expires.error();
  const json::Value* issuer = json::find(claims, "iss");
  if (!rules.issuer.empty() &&
      (issuer == nullptr || !issuer->IsString() || json::view(*issuer) != rules.issuer))
    return refused("the token is another issuer's");
  if (!rules.audience.empty() && !has_text(claims, "aud", rules.audience))
    return refused("the token is for another audience");
  const auto subject = json::string_member(claims, rules.subject_claim);
  if (!subject || !*subject || (*subject)->empty() || (*subject)->size() > kMaxSubject)
    return refused("the token has no \"" + rules.subject_claim + "\"");
  Principal out;
  out.subject = **subject;
  out.expires_ms = *expires;
  if (auto known = take_identity(claims, out); !known) return known.error();
  auto rows = constraints_of(claims, rules.row_policy);
  if (!rows) return rows.error();
  out.rows = *std::move(rows);
  // Limits are shared by it, nothing is permitted by it: one that is no text is none.
  if (const auto tenant = json::string_member(claims, rules.tenant_claim);
      tenant && *tenant && (*tenant)->size() <= kMaxSubject)
    out.tenant = **tenant;
  if (const json::Value* claim = json::find(claims, rules.permissions_claim)) {
    auto permissions = parse_permissions(*claim);
    if (!permissions)
      return refused("\"" + rules.permissions_claim + "\" is not understood: " + permissions.error().detail);
    out.permissions = *std::move(permissions);
  }
  return out;
}

Result<Principal> principal_in(std::string_view payload, const Rules& rules, std::int64_t now_ms) {
  const auto claims = object_of(payload, "payload");
  if (!claims) return claims.error();
  auto out = principal_of(*claims, rules, now_ms);
  if (out) out->claims = payload;
  return out;
}

void append_text_claim(std::string& out, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  json::append_quoted(out, name);
  json::append_quoted(out.append(":"), value);
  out.push_back(',');
}

}  // namespace

Result<Principal> verify(std::string_view token, const std::vector<VerifyingKey>& keys, const Rules& rules,
                         std::int64_t now_ms) {
  if (token.empty()) return refused("a token is required");
  if (token.size() > kMaxToken) return refused("the token is too long");
  const auto first = token.find('.');
  const auto second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos)
    return refused("the token does not have three parts");
  const auto header = header_of(token.substr(0, first), rules);
  if (!header) return header.error();
  const auto signature = crypto::base64url_decode(token.substr(second + 1));
  if (!signature) return refused("the token's signature is not base64url");
  if (auto ok = check_signature(*header, token.substr(0, second), *signature, keys); !ok) return ok.error();
  return principal_in(token.substr(first + 1, second - first - 1), rules, now_ms);
}

Result<Principal> read_again(const Principal& known, Rules rules, std::int64_t now_ms) {
  rules.issuer.clear();
  rules.audience.clear();
  return principal_in(known.claims, rules, now_ms);
}

bool key_is_known(std::string_view token, const std::vector<VerifyingKey>& keys, const Rules& rules) {
  if (token.size() > kMaxToken) return true;
  const auto header = header_of(token.substr(0, token.find('.')), rules);
  return !header || header->key_id.empty() || header->algorithm == crypto::Algorithm::hs256 ||
         std::any_of(keys.begin(), keys.end(), [&](const auto& key) { return key.id == header->key_id; });
}

Result<std::string> mint(const Claims& claims, const VerifyingKey& key, const Rules& names) {
  std::string header =
      "{\"alg\":\"" + std::string(crypto::name_of(key.key.algorithm())) + "\",\"typ\":\"JWT\"";
  if (!key.id.empty()) json::append_quoted(header.append(",\"kid\":"), key.id);
  std::string payload = "{";
  append_text_claim(payload, names.subject_claim, claims.subject);
  append_text_claim(payload, "iss", claims.issuer);
  append_text_claim(payload, "aud", claims.audience);
  append_text_claim(payload, "jti", claims.token_id);
  for (const auto& [name, value] : claims.more) {
    json::append_quoted(payload, name);
    payload.append(":").append(value).append(",");
  }
  json::append_quoted(payload, names.permissions_claim);
  const std::array lists{std::pair{":{\"subscribe\":[", &claims.permissions.subscribe},
                         std::pair{"],\"publish\":[", &claims.permissions.publish},
                         std::pair{"],\"admin\":[", &claims.permissions.admin}};
  for (const auto& [before, patterns] : lists) {
    payload.append(before);
    for (std::size_t i = 0; i < patterns->size(); ++i) {
      if (i > 0) payload.push_back(',');
      json::append_quoted(payload, (*patterns)[i]);
    }
  }
  payload.append("]},\"iat\":").append(std::to_string(claims.issued_s));
  payload.append(",\"exp\":").append(std::to_string(claims.expires_s)).append("}");
  const std::string text = crypto::base64url_encode(header + "}") + "." + crypto::base64url_encode(payload);
  auto signature = key.key.sign(text);
  if (!signature) return signature.error();
  return text + "." + crypto::base64url_encode(*signature);
}

}  // namespace tocsin::auth
