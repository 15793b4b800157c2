#pragma once
// Keys as they are kept for verifying tokens, and JWK sets (RFC 7517). Pure functions; any thread.
#include <string>
#include <string_view>
#include <vector>

#include "common/crypto/signing_key.h"
#include "common/json/json.h"
#include "common/result.h"

namespace tocsin::auth {

inline constexpr std::size_t kMaxKeys = 64;
inline constexpr std::size_t kMaxKeyId = 256;

struct VerifyingKey {
  std::string id;  ///< "kid"; empty: tried for every token of its algorithm
  crypto::SigningKey key;
};

/// True when some object in `value`, at any depth, names a member twice: what one reader takes from it,
/// another does not.
[[nodiscard]] bool names_twice(const json::Value& value);

/// The keys of a set that are good for the algorithms here. Keys of other kinds, curves and uses are passed
/// over. Fails with invalid_argument when one that claims to be of ours is spoiled, or none is left.
[[nodiscard]] Result<std::vector<VerifyingKey>> parse_jwks(std::string_view text);

}  // namespace tocsin::auth
