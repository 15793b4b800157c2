// Frames, compressed ones too: what we write is read back; what is not whole is not read; the length never
// lies beyond the bytes.
#include "common/json/json.h"
#include "edge/codec/deflate.h"
#include "edge/codec/ws_frame.h"
#include "edge/net/utf8.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tocsin;
  using namespace tocsin::edge;
  const auto input = fuzz::text(data, size);
  if (const auto view = ws::read(input)) {
    FUZZ_CHECK(view->size <= size);
    FUZZ_CHECK(view->payload.size() < view->size);
  }
  std::string framed;
  ws::append_text(framed, input);
  FUZZ_CHECK(framed.size() == size + ws::header_size(size));
  const auto back = ws::read(framed);
  FUZZ_CHECK(back);
  FUZZ_CHECK(back->opcode == ws::Opcode::text && back->payload == input && back->size == framed.size());
  FUZZ_CHECK(!ws::read(std::string_view(framed).substr(0, framed.size() - 1)));
  ws::Inflater inflater;
  if (const auto any = inflater.inflate(input, 4'096)) FUZZ_CHECK(any->size() <= 4'096);
  const auto again = inflater.inflate(ws::deflate_blocks(input), size);
  FUZZ_CHECK(again);
  FUZZ_CHECK(*again == input);
  FUZZ_CHECK(size == 0 || !inflater.inflate(ws::deflate_blocks(input), size - 1));
  FUZZ_CHECK(is_utf8(input) == json::valid_utf8(input));  // two writers of one rule
  return 0;
}
