// Tickets: what we signed verifies to the same, and no other text verifies but ours.
#include "edge/session/ticket.h"

#include <string>
#include <vector>

#include "common/json/json.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tocsin;
  using namespace tocsin::edge;
  static const std::vector<std::string> kKeys{"fedcba9876543210fedcba9876543210",
                                              "0123456789abcdef0123456789abcdef"};
  constexpr std::int64_t kNow = 1'760'000'000'000;
  const auto input = fuzz::text(data, size);
  const auto any = verify(input, kKeys, {}, kNow);
  if (const auto* forged =
          std::get_if<Ticket>(&any)) {  // one signed with these very keys may be in the corpus
    FUZZ_CHECK(is_session_id(forged->session));
    FUZZ_CHECK(forged->expires_ms > kNow);
  }
  std::string session;  // 32 hexadecimal digits out of the input
  for (std::size_t i = 0; i < 32; ++i) session.push_back("0123456789abcdef"[i < size ? data[i] % 16U : 0U]);
  const std::string text(input);
  const std::string subject = json::parse("\"" + text + "\"") ? text : std::string("bob");
  const std::string own = sign({session, subject, size, kNow + 1}, kKeys[1]);
  const auto back = verify(own, kKeys, {session, subject}, kNow);
  const auto* ticket = std::get_if<Ticket>(&back);
  FUZZ_CHECK(ticket != nullptr);
  FUZZ_CHECK(ticket->session == session && ticket->subject == subject && ticket->fence == size &&
             ticket->expires_ms == kNow + 1);
  const auto fault = [&](const std::string& shown, const std::vector<std::string>& keys, std::int64_t now) {
    const auto verified = verify(shown, keys, {session, subject}, now);
    const auto* found = std::get_if<TicketFault>(&verified);
    return found != nullptr ? name_of(*found) : "";
  };
  FUZZ_CHECK(fault(own, kKeys, kNow + 2) == "expired");
  FUZZ_CHECK(fault(own, {kKeys[0]}, kNow) == "forged");
  std::string bent = own;
  if (size > 0) bent[data[0] % bent.size()] ^= 1;
  FUZZ_CHECK(bent == own || fault(bent, kKeys, kNow) == "forged");
  return 0;
}
