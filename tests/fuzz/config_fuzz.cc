// common/config: a YAML file of any content gives settings or an error that names the file; no exception
// leaves it.
#include "common/config/loader.h"
#include "edge/config.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tocsin;
  const auto settings = config::parse_yaml(fuzz::text(data, size), "f.yaml");
  if (!settings) {
    FUZZ_CHECK(settings.error().code == Errc::invalid_argument);
    FUZZ_CHECK(settings.error().detail.starts_with("f.yaml:"));
    return 0;
  }
  for (const auto& setting : *settings) {
    FUZZ_CHECK(setting.origin.starts_with("f.yaml:"));
    edge::Config c;
    for (const auto& row : edge::kOptions) {
      if (!row.set(c, setting.text, row.range)) continue;
      const std::string printed = row.get(c);
      FUZZ_CHECK(row.set(c, printed, row.range));
      FUZZ_CHECK(row.get(c) == printed);
    }
  }
  return 0;
}
