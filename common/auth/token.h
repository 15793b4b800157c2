#pragma once
// Tokens: JSON Web Tokens (RFC 7515, 7519) signed with HS256, RS256, ES256 or EdDSA, verified and, for
// development, made. Nothing in a token chooses how it is verified: its algorithm has to be allowed and to be
// that of a key we hold. Pure functions; any thread.
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/auth/jwks.h"
#include "common/auth/permissions.h"
#include "common/result.h"

namespace tocsin::auth {

inline constexpr std::size_t kMaxToken = 8'192;
inline constexpr std::size_t kMaxSubject = 256;

/// Who speaks, until when, and what it may.
struct Principal {
  std::string subject;
  std::int64_t expires_ms = 0;
  Permissions permissions;
};

struct Rules {
  std::vector<crypto::Algorithm> algorithms;  ///< that are allowed
  std::string issuer;                         ///< empty: any
  std::string audience;                       ///< empty: any, or none
  std::chrono::seconds leeway{30};            ///< clocks may differ by so much
  std::string subject_claim = "sub";
  std::string permissions_claim = "permissions";  ///< absent from a token: nothing is permitted
};

/// Fails with unauthorized; the detail may be shown to the client, and says nothing of our keys.
[[nodiscard]] Result<Principal> verify(std::string_view token, const std::vector<VerifyingKey>& keys,
                                       const Rules& rules, std::int64_t now_ms);

/// What a made token says.
struct Claims {
  std::string subject;
  std::string issuer;
  std::string audience;
  std::int64_t issued_s = 0;
  std::int64_t expires_s = 0;
  Permissions permissions;
};

/// Fails with invalid_argument when the key cannot sign.
[[nodiscard]] Result<std::string> mint(const Claims& claims, const VerifyingKey& key, const Rules& names);

}  // namespace tocsin::auth
