// Filter: the canonical text of a filter is a filter with the same canonical text, and it matches the same
// updates.
#include "proto/filter.h"
#include "tests/fuzz/fuzz.h"

namespace {

tocsin::Facts sample_facts() {
  tocsin::Facts facts;
  facts.severity = "P1";
  facts.status = "investigating";
  facts.kind = "updated";
  facts.incident = "INC1";
  facts.labels = {{"service", "api"}, {"region", "eu"}};
  facts.has_incident = true;
  return facts;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tocsin;
  const auto filter = Filter::parse(fuzz::text(data, size));
  if (!filter) {
    FUZZ_CHECK(filter.error().code == Errc::invalid_argument);
    return 0;
  }
  const std::string canonical = filter->canonical();
  const auto again = Filter::parse(canonical);
  FUZZ_CHECK(again);
  FUZZ_CHECK(again->canonical() == canonical);
  FUZZ_CHECK(again->empty() == filter->empty());
  FUZZ_CHECK(!filter->empty() || canonical == "{}");
  const Facts facts = sample_facts();
  FUZZ_CHECK(again->matches(facts) == filter->matches(facts));
  FUZZ_CHECK(again->matches_state(facts) == filter->matches_state(facts));
  FUZZ_CHECK(!filter->empty() || filter->matches(facts));
  return 0;
}
