// What an archive is read with: any bytes as a tar header, a manifest, and records of rows. Reading fails as
// the headers say; what was understood says the same when it is written and read again.
#include "broker/backup/manifest.h"
#include "broker/backup/rows.h"
#include "broker/backup/tar.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace tocsin;
using namespace tocsin::broker::backup;

void rows(std::string_view bytes) {
  Head head;
  for (;;) {
    const auto record = take_record(bytes);
    if (!record) FUZZ_CHECK(record.error().code == Errc::corrupt);
    if (!record || !*record) return;
    if (auto parsed = parse_head(**record)) {
      head = *std::move(parsed);
      std::string again;
      append_head(again, head);
      std::string_view rest = again;
      const auto twice = take_record(rest);
      FUZZ_CHECK(twice && *twice && parse_head(**twice));
    }
    if (const auto row = parse_row(**record, head)) {
      std::string again;
      append_row(again, *row);
      FUZZ_CHECK(std::string_view(again).substr(4) == **record);
    }
    if (const auto end = parse_end(**record, head)) FUZZ_CHECK(end->size() == head.tables.size());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text(data, size);
  if (const auto manifest = Manifest::parse(text)) {
    const auto again = Manifest::parse(manifest->to_json());
    FUZZ_CHECK(again && again->to_json() == manifest->to_json());
  }
  if (const auto member = parse_tar_header(text.substr(0, kTarBlock)))
    FUZZ_CHECK(parse_tar_header(tar_header(member->name, member->size, 0))->size == member->size);
  rows(text);
  return 0;
}
