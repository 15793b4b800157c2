// Tokens: no text verifies but one that we signed; what was signed, whatever it says, is refused or gives a
// principal within its bounds.
#include <string>
#include <vector>

#include "common/auth/token.h"
#include "common/crypto/crypto.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tocsin;
  static const std::string kSecret = "0123456789abcdef0123456789abcdef";
  static const std::vector<auth::VerifyingKey> kKeys{{"", *crypto::SigningKey::secret(kSecret)}};
  static const std::vector<auth::VerifyingKey> kOther{
      {"", *crypto::SigningKey::secret("fedcba9876543210fedcba9876543210")}};
  constexpr std::int64_t kNow = 1'760'000'000'000;
  auth::Rules rules;
  rules.algorithms = {crypto::Algorithm::hs256, crypto::Algorithm::rs256, crypto::Algorithm::es256,
                      crypto::Algorithm::eddsa};
  const std::string input(fuzz::text(data, size));
  const auto check = [&](const std::string& token) {
    const auto got = auth::verify(token, kKeys, rules, kNow);
    FUZZ_CHECK(!auth::verify(token, kOther, rules, kNow));
    if (!got) {
      FUZZ_CHECK(got.error().code == Errc::unauthorized);
      return;
    }
    FUZZ_CHECK(!got->subject.empty() && got->subject.size() <= auth::kMaxSubject);
    FUZZ_CHECK(got->expires_ms > kNow && token.size() <= auth::kMaxToken);
    for (const auto& pattern : got->permissions.subscribe) FUZZ_CHECK(auth::check_pattern(pattern));
    std::string bent = token;
    bent[size % bent.size()] ^= 1;
    FUZZ_CHECK(!auth::verify(bent, kKeys, rules, kNow));
  };
  check(input);
  const auto sign = [&](const std::string& header, const std::string& payload) {
    const auto text = crypto::base64url_encode(header) + "." + crypto::base64url_encode(payload);
    return text + "." + crypto::base64url_encode(crypto::hmac_sha256(kSecret, text));
  };
  check(sign(R"({"alg":"HS256"})", input));
  check(sign(input, R"({"sub":"a","exp":1760000100})"));
  return 0;
}
