#include "tests/sim/tokens.h"

#include <array>
#include <cstdlib>
#include <iostream>

#include "common/auth/token.h"

namespace tocsin::sim {
namespace {

const std::string kSecret = "0123456789abcdef0123456789abcdef";
constexpr const char* kEnv = "TOCSIN_SIM_TOKEN_KEY";
/// Before there are threads.
const bool kSet = ::setenv(kEnv, kSecret.c_str(), 1) == 0;

}  // namespace

void ask_for_tokens(edge::Config& config) {
  if (kSet) config.auth_key_env = kEnv;
  config.auth_row_policy = "tenant=label.tenant";
  config.auth_leeway = Millis{0};
}

Token made_token(const std::string& subject, const std::string& tenants, std::int64_t wall_ms,
                 std::int64_t lasts_ms) {
  const std::int64_t issued_s = wall_ms / 1'000;
  const std::int64_t expires_s = (wall_ms + lasts_ms) / 1'000;
  const auth::Claims claims{
      subject, "", "", issued_s, expires_s, {{"*"}, {"*"}, {}}, "", {{"tenant", tenants}}};
  const auto text = auth::mint(claims, {"", *crypto::SigningKey::secret(kSecret)}, {});
  if (!text) {
    std::cerr << "the simulation cannot make a token: " << text.error().detail << "\n";
    std::abort();
  }
  return {*text, tenants, issued_s * 1'000, expires_s * 1'000};
}

std::string any_tenants(Chance& chance) {
  constexpr std::array<const char*, 8> kAll{R"(["a"])",     R"(["b"])",         R"(["c"])", R"(["a","b"])",
                                            R"(["b","c"])", R"(["a","b","c"])", R"("*")",   "[]"};
  return kAll[chance.next() % kAll.size()];
}

std::string labels_of(const std::string& tenants) {
  return tenants == R"("*")" ? "{}" : R"({"tenant":)" + tenants + "}";
}

}  // namespace tocsin::sim
