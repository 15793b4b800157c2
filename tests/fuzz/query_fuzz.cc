// Query strings: decoded members are UTF-8 without NUL; the filter and the event subscription they spell keep
// their bounds; a Last-Event-ID is a position or refused.
#include "common/json/json.h"
#include "edge/codec/client_command.h"
#include "edge/codec/query.h"
#include "edge/codec/sse_frame.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tocsin;
  using namespace tocsin::edge;
  const auto input = fuzz::text(data, size);
  const auto query = parse_query(input);
  if (query) {
    FUZZ_CHECK(query->size() <= 64);
    for (const auto& [name, value] : *query) {
      FUZZ_CHECK(json::valid_utf8(name) && json::valid_utf8(value));
      FUZZ_CHECK(name.find('\0') == std::string::npos && value.find('\0') == std::string::npos);
    }
    const auto filter = filter_of(*query);
    FUZZ_CHECK(!filter || Filter::parse(filter->canonical()));
  } else {
    FUZZ_CHECK(query.error().code == Errc::invalid_argument);
  }
  const auto events = parse_event_query(input, {});
  FUZZ_CHECK(!events || check_channel_name(events->channel));
  FUZZ_CHECK(events || events.error().code == Errc::invalid_argument);
  if (const auto position = sse::parse_id(input)) {
    std::string event;
    sse::append_event(event, *position, "{}");
    FUZZ_CHECK(event.find("id: " + to_text(position->epoch) + ":" + std::to_string(position->offset)) !=
               std::string::npos);
  }
  return 0;
}
