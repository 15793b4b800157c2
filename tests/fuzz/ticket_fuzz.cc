// Tickets: what we signed verifies to the same, and no other text verifies but ours.
#include "edge/session/ticket.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tocsin;
  using namespace tocsin::edge;
  constexpr std::string_view kKey = "0123456789abcdef0123456789abcdef";
  constexpr std::int64_t kNow = 1'760'000'000'000;
  const auto input = fuzz::text(data, size);
  const auto forged = verify(input, kKey, kNow);
  if (forged) {  // only a ticket signed with this very key may stand in the corpus
    FUZZ_CHECK(is_session_id(forged->session));
    FUZZ_CHECK(forged->expires_ms > kNow);
  } else {
    FUZZ_CHECK(forged.error().code == Errc::unauthorized);
  }
  std::string session;  // 32 hexadecimal digits out of the input
  for (std::size_t i = 0; i < 32; ++i) session.push_back("0123456789abcdef"[i < size ? data[i] % 16U : 0U]);
  const std::string own = sign({session, size, kNow + 1}, kKey);
  const auto back = verify(own, kKey, kNow);
  FUZZ_CHECK(back);
  FUZZ_CHECK(back->session == session && back->fence == size && back->expires_ms == kNow + 1);
  FUZZ_CHECK(!verify(own, kKey, kNow + 2));
  FUZZ_CHECK(!verify(own, "another key", kNow));
  std::string bent = own;
  if (size > 0) bent[data[0] % bent.size()] ^= 1;
  FUZZ_CHECK(bent == own || !verify(bent, kKey, kNow));
  return 0;
}
