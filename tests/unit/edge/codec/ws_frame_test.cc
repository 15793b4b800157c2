#include "edge/codec/ws_frame.h"

#include <doctest/doctest.h>

namespace tocsin::edge::ws {
namespace {

TEST_CASE("a frame reads back at every header length") {
  for (const std::size_t size : {0UL, 1UL, 125UL, 126UL, 65'535UL, 65'536UL, 200'000UL}) {
    CAPTURE(size);
    std::string bytes;
    append_text(bytes, std::string(size, 'x'));
    CHECK(bytes.size() == size + header_size(size));
    bytes += "next";
    const auto view = read(bytes);
    REQUIRE(view);
    CHECK(view->opcode == Opcode::text);
    CHECK(view->payload == std::string(size, 'x'));
    CHECK(view->size == bytes.size() - 4);
  }
}

TEST_CASE("half a frame, a masked frame and a fragment are not read") {
  std::string bytes;
  append_text(bytes, std::string(300, 'x'));
  for (std::size_t n = 0; n < bytes.size(); ++n) CHECK_FALSE(read(std::string_view(bytes).substr(0, n)));
  CHECK_FALSE(read("\x81\x80mask"));
  CHECK_FALSE(read(std::string_view("\x01\x00", 2)));
}

TEST_CASE("the shared ping is a whole ping frame with a payload") {
  const auto view = read(kPing);
  REQUIRE(view);
  CHECK(view->opcode == Opcode::ping);
  CHECK(view->payload == "k");
  CHECK(view->size == kPing.size());
}

}  // namespace
}  // namespace tocsin::edge::ws
