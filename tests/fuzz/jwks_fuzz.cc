// JWK sets: whatever the bytes, keys within bounds or invalid_argument; no key takes an empty signature.
#include <string>

#include "common/auth/jwks.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tocsin;
  const auto keys = auth::parse_jwks(fuzz::text(data, size));
  if (!keys) {
    FUZZ_CHECK(keys.error().code == Errc::invalid_argument);
    return 0;
  }
  FUZZ_CHECK(!keys->empty() && keys->size() <= auth::kMaxKeys);
  for (const auto& key : *keys) {
    FUZZ_CHECK(key.id.size() <= auth::kMaxKeyId);
    FUZZ_CHECK(!key.key.verify("text", ""));
    FUZZ_CHECK(!key.key.verify("text", std::string(64, '\0')));
  }
  return 0;
}
