// Logs that people replay: any bytes as CSV, then as ServiceNow rows; a row that maps is a draft that parses
// like any other.
#include <algorithm>
#include <cstring>

#include "common/json/json.h"
#include "ops/ctl/byte_source.h"
#include "ops/ctl/csv_reader.h"
#include "ops/ctl/servicenow.h"
#include "proto/update.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace tocsin;
using namespace tocsin::ops;

/// The input, in small pieces.
class Bytes final : public ByteSource {
 public:
  explicit Bytes(std::string_view text) : text_(text) {}
  Result<std::size_t> read(char* into, std::size_t size) override {
    const std::size_t n = std::min({size, text_.size(), std::size_t{11}});
    std::memcpy(into, text_.data(), n);
    text_.remove_prefix(n);
    return n;
  }

 private:
  std::string_view text_;
};

void check(const Draft& draft) {
  FUZZ_CHECK(check_channel_name(draft.channel));
  FUZZ_CHECK(!draft.event_id.empty() && draft.event_id.size() <= kMaxEventId);
  FUZZ_CHECK(!draft.key.empty() && draft.key.size() <= kMaxKey);
  const auto incident = json::parse(draft.incident);
  FUZZ_CHECK(incident);
  FUZZ_CHECK(incident->IsObject());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes source(fuzz::text(data, size));
  CsvReader reader(source);
  std::vector<std::string> row;
  const auto header = reader.next(row);
  if (!header || !*header) return 0;
  auto columns = ServiceNowColumns::parse(row);
  if (!columns) {
    FUZZ_CHECK(columns.error().code == Errc::invalid_argument);
    return 0;
  }
  ServiceNowMapper mapper(*std::move(columns), "incidents");
  std::uint64_t line = reader.line();
  while (true) {
    const auto more = reader.next(row);
    if (!more || !*more) return 0;
    FUZZ_CHECK(reader.line() > line);
    line = reader.line();
    if (const auto draft = mapper.map(row)) check(*draft);
  }
}
