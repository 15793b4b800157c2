#include "edge/codec/deflate.h"

#include <doctest/doctest.h>

#include <random>

namespace tocsin::edge::ws {
namespace {

/// The payload of the one frame in `bytes`, inflated when it says that it is compressed.
std::string read_back(std::string bytes, bool& compressed) {
  compressed = (bytes[0] & 0x40) != 0;
  bytes[0] = static_cast<char>(bytes[0] & ~0x40);
  const auto view = read(bytes);
  REQUIRE(view);
  REQUIRE(view->size == bytes.size());
  if (!compressed) return std::string(view->payload);
  Inflater inflater;
  const auto text = inflater.inflate(view->payload, 1 << 24);
  REQUIRE(text);
  return std::string(*text);
}

std::string some_json(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string out = "{";
  while (out.size() < size)
    out +=
        "\"member" + std::to_string(random() % 50) + "\":\"value " + std::to_string(random() % 1000) + "\",";
  out.resize(size);
  return out;
}

TEST_CASE("every message reads back, whatever its size, and small ones are left alone") {
  for (const std::size_t size : {0UL, 1UL, 127UL, 128UL, 400UL, 1024UL, 65'535UL, 65'536UL, 300'000UL}) {
    CAPTURE(size);
    std::string bytes;
    const std::string text = some_json(size, 1);
    append_message(bytes, Opcode::text, text);
    bool compressed = false;
    CHECK(read_back(bytes, compressed) == text);
    CHECK(compressed == (size >= kDeflateFrom));
    CHECK(bytes.size() <= size + header_size(size));
  }
}

TEST_CASE("what does not shrink is not compressed") {
  std::mt19937 random(7);
  std::string noise(1'000, '\0');
  for (char& c : noise) c = static_cast<char>(random());
  std::string bytes;
  append_message(bytes, Opcode::binary, noise);
  bool compressed = true;
  CHECK(read_back(bytes, compressed) == noise);
  CHECK_FALSE(compressed);
}

TEST_CASE("one compression serves every prefix, and messages stand alone") {
  const std::string body = some_json(1'000, 3);
  const std::string blocks = deflate_blocks(body);
  CHECK(blocks.size() < body.size() / 2);
  for (const std::string& prefix :
       {std::string(), std::string("{"), std::string("{\"sub\":17,"), std::string(kMaxStored, 'p')}) {
    std::string bytes;
    append_deflated(bytes, Opcode::text, prefix, blocks);
    bool compressed = false;
    CHECK(read_back(bytes, compressed) == prefix + body);
    CHECK(compressed);
  }
  CHECK(deflate_blocks(body) == blocks);
}

TEST_CASE("a bomb is stopped at the bound") {
  std::string bomb(64 << 20, '\0');
  const std::string blocks = deflate_blocks(bomb);
  CHECK(blocks.size() < 100'000);
  Inflater inflater;
  const auto text = inflater.inflate(blocks, 65'536);
  REQUIRE_FALSE(text);
  CHECK(text.error().code == Errc::too_large);
  const auto exact = inflater.inflate(deflate_blocks(std::string(65'536, 'x')), 65'536);
  REQUIRE(exact);
  CHECK(exact->size() == 65'536);
  CHECK_FALSE(inflater.inflate(deflate_blocks(std::string(65'537, 'x')), 65'536));
  CHECK(*inflater.inflate(deflate_blocks("after that"), 100) == "after that");
}

TEST_CASE("what is no DEFLATE is refused, and nothing of it is left for the next message") {
  Inflater inflater;
  std::mt19937 random(11);
  for (int i = 0; i < 2'000; ++i) {
    std::string noise(random() % 200, '\0');
    for (char& c : noise) c = static_cast<char>(random());
    if (const auto text = inflater.inflate(noise, 10'000)) CHECK(text->size() <= 10'000);
  }
  CHECK(*inflater.inflate(deflate_blocks("still fine"), 100) == "still fine");
  CHECK((*inflater.inflate("", 100)).empty());
  CHECK(
      (*inflater.inflate(std::string_view("\x00", 1), 100)).empty());  // RFC 7692, 7.2.3.6: an empty message
}

TEST_CASE("a message that ends with the last block is read, bytes behind it are not (RFC 7692, 7.2.3.5)") {
  z_stream z{};
  REQUIRE(deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(100, '\0');
  std::string in = "Hello";
  z.next_in = reinterpret_cast<Bytef*>(in.data());
  z.avail_in = static_cast<uInt>(in.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&z, Z_FINISH) == Z_STREAM_END);
  out.resize(out.size() - z.avail_out);
  deflateEnd(&z);
  Inflater inflater;
  CHECK(*inflater.inflate(out, 100) == "Hello");
  CHECK_FALSE(inflater.inflate(out + "more", 100));
}

}  // namespace
}  // namespace tocsin::edge::ws
