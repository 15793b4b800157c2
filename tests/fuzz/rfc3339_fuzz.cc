// Time stamps: what parses and lies within the years 0 to 9999 is written in a form that parses to the same
// instant.
#include "common/rfc3339.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tocsin;
  constexpr std::int64_t kYear0 = -62'167'219'200'000;
  constexpr std::int64_t kYear10000 = 253'402'300'800'000;
  const auto instant = parse_rfc3339(fuzz::text(data, size));
  if (!instant || *instant < kYear0 || *instant >= kYear10000)
    return 0;  // an offset may lead out of the four digits
  const auto again = parse_rfc3339(rfc3339(*instant));
  FUZZ_CHECK(again.has_value());
  FUZZ_CHECK(*again == *instant);
  return 0;
}
