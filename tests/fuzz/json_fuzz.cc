// common/json: what parses is written in a form that parses to the same again; nothing nests deeper than the
// limit.
#include "common/json/json.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tocsin;
  const auto input = fuzz::text(data, size);
  const auto doc = json::parse(input);
  if (!doc) {
    FUZZ_CHECK(doc.error().code == Errc::invalid_argument);
    FUZZ_CHECK(!doc.error().detail.empty());
    return 0;
  }
  const std::string once = json::text(*doc);
  FUZZ_CHECK(json::valid_utf8(once));
  const auto again = json::parse(once);
  FUZZ_CHECK(again);
  FUZZ_CHECK(json::text(*again) == once);
  if (doc->IsString()) {
    const auto quoted = json::parse(json::quoted(json::view(*doc)));
    FUZZ_CHECK(quoted);
    FUZZ_CHECK(json::view(*quoted) == json::view(*doc));
  }
  return 0;
}
