#include "common/crypto/crypto.h"

#include <doctest/doctest.h>

#include <set>

#include "common/random.h"

using namespace tocsin;

namespace {

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    out.push_back(kDigits[static_cast<unsigned char>(c) >> 4]);
    out.push_back(kDigits[static_cast<unsigned char>(c) & 0xf]);
  }
  return out;
}

}  // namespace

TEST_CASE("HMAC-SHA256 gives the values of RFC 4231") {
  CHECK(hex(crypto::hmac_sha256("Jefe", "what do ya want for nothing?")) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(hex(crypto::hmac_sha256(std::string(131, '\xaa'),
                                "Test Using Larger Than Block-Size Key - Hash Key First")) ==
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST_CASE("an empty key does not mean the key of the call before") {
  const std::string empty = crypto::hmac_sha256("", "text");
  (void)crypto::hmac_sha256("other", "text");
  CHECK(crypto::hmac_sha256("", "text") == empty);
}

TEST_CASE("base64url decodes what it encoded, for every length") {
  std::string bytes;
  for (int i = 0; i < 70; ++i) {
    const std::string text = crypto::base64url_encode(bytes);
    CHECK(text.find_first_of("+/=") == std::string::npos);
    auto back = crypto::base64url_decode(text);
    REQUIRE(back);
    CHECK(*back == bytes);
    bytes.push_back(static_cast<char>(251 * i));
  }
}

TEST_CASE("base64url has one spelling only") {
  CHECK(*crypto::base64url_decode("_-8") == "\xff\xef");
  for (const char* bad : {"A", "_-8=", "_-9", "+/8", "QQ\n", " QQ", "QQ==", "Q Q", "AAAAA"})
    CHECK_FALSE(crypto::base64url_decode(bad));
  CHECK_FALSE(crypto::base64url_decode(std::string_view("QQ\0A", 4)));
}

TEST_CASE("constant_time_equal compares contents and lengths") {
  CHECK(crypto::constant_time_equal("abc", "abc"));
  CHECK(crypto::constant_time_equal("", ""));
  CHECK_FALSE(crypto::constant_time_equal("abc", "abd"));
  CHECK_FALSE(crypto::constant_time_equal("abc", "ab"));
}

TEST_CASE("random ids have the asked length and differ") {
  SystemRandom random;
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    seen.insert(crypto::random_hex(32));
    seen.insert(hex_id(random, 32));
  }
  CHECK(seen.size() == 200);
  CHECK(crypto::random_hex(7).size() == 7);
  CHECK(hex_id(random, 17).size() == 17);
  CHECK(crypto::random_bytes(100).size() == 100);
  CHECK(hex_id(random, 64).find_first_not_of("0123456789abcdef") == std::string::npos);
}
