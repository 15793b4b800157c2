// The link's envelope: whatever bytes come, they are refused or they are a message that survives its own
// bytes.
#include "proto/link_message.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tocsin;
  const auto message = link::decode(fuzz::text(data, size));
  if (!message) {
    FUZZ_CHECK(message.error().code == Errc::invalid_argument);
    return 0;
  }
  const std::string once = link::encode(*message);
  const auto again = link::decode(once);
  FUZZ_CHECK(again);
  FUZZ_CHECK(again->index() == message->index());
  FUZZ_CHECK(link::encode(*again) == once);
  return 0;
}
