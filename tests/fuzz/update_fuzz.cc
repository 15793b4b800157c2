// A log row's bytes: corrupt, or an update that is written the same way again; the cheap look agrees with the
// full one.
#include <memory>

#include "proto/filter.h"
#include "proto/link_message.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tocsin;
  const auto bytes = std::make_shared<const std::string>(fuzz::text(data, size));
  const auto update = link::decode_update({7, bytes});
  const auto id = link::event_id_of(*bytes);
  FUZZ_CHECK(static_cast<bool>(id) == static_cast<bool>(update));
  if (!update) {
    FUZZ_CHECK(update.error().code == Errc::corrupt);
    return 0;
  }
  FUZZ_CHECK(update->offset == 7);
  FUZZ_CHECK(*id == update->event_id);
  const auto once = std::make_shared<const std::string>(link::encode_update(*update));
  const auto again = link::decode_update({7, once});
  FUZZ_CHECK(again);
  FUZZ_CHECK(link::encode_update(*again) == *once);
  const Facts facts = facts_of(*update);  // must take any incident text
  FUZZ_CHECK(facts.incident == update->key);
  return 0;
}
