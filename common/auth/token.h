#pragma once
// Tokens: JSON Web Tokens (RFC 7515, 7519) signed with HS256, RS256, ES256 or EdDSA, verified and, for
// development, made. Nothing in a token chooses how it is verified: its algorithm has to be allowed and to be
// that of a key we hold. Pure functions; any thread.
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/auth/jwks.h"
#include "common/auth/permissions.h"
#include "common/auth/row_policy.h"
#include "common/result.h"

namespace tocsin::auth {

inline constexpr std::size_t kMaxToken = 8'192;
inline constexpr std::size_t kMaxSubject = 256;
inline constexpr std::size_t kMaxTokenId = 256;

/// Who speaks, until when, and what it may.
struct Principal {
  std::string subject;
  std::int64_t expires_ms = 0;
  Permissions permissions;
  Constraints rows;            ///< what of the permitted channels it may see; none: all
  std::string token_id;        ///< "jti"; empty: the token has none
  std::int64_t issued_ms = 0;  ///< "iat"; 0: it does not say
  std::string tenant{};        ///< whose limits it shares; empty: nobody's
  std::string claims{};        ///< as they came in the token, for rules that change: read_again()
};

struct Rules {
  std::vector<crypto::Algorithm> algorithms;  ///< that are allowed
  std::string issuer;                         ///< empty: any
  std::string audience;                       ///< empty: any, or none
  std::chrono::seconds leeway{30};            ///< clocks may differ by so much
  std::string subject_claim = "sub";
  std::string tenant_claim = "tenant";
  std::string permissions_claim = "permissions";  ///< absent from a token: nothing is permitted
  RowPolicy row_policy;
};

/// Fails with unauthorized; the detail may be shown to the client, and names none of our keys.
[[nodiscard]] Result<Principal> verify(std::string_view token, const std::vector<VerifyingKey>& keys,
                                       const Rules& rules, std::int64_t now_ms);

/// What a token that was verified says by other rules; who issued it and for whom is not asked again. Fails
/// with unauthorized, as verify().
[[nodiscard]] Result<Principal> read_again(const Principal& known, Rules rules, std::int64_t now_ms);

/// False when the token's header names a key that none of these is, for an algorithm of RS256, ES256 or
/// EdDSA: it may be one that was added since.
[[nodiscard]] bool key_is_known(std::string_view token, const std::vector<VerifyingKey>& keys,
                                const Rules& rules);

/// What a made token says.
struct Claims {
  std::string subject;
  std::string issuer;
  std::string audience;
  std::int64_t issued_s = 0;
  std::int64_t expires_s = 0;
  Permissions permissions;
  std::string token_id{};
  std::vector<std::pair<std::string, std::string>> more{};  ///< name and JSON of further claims
};

/// Fails with invalid_argument when the key cannot sign.
[[nodiscard]] Result<std::string> mint(const Claims& claims, const VerifyingKey& key, const Rules& names);

}  // namespace tocsin::auth
