#include "tools/loadgen/inflater.h"

#include <doctest/doctest.h>

#include <string>

using tocsin::loadgen::Inflater;

namespace {

/// As a server without context takeover writes it (RFC 7692 section 7.2.1).
std::string deflated(const std::string& text) {
  z_stream z{};
  deflateInit2(&z, 1, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
  std::string out(text.size() + 64, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  ::deflate(&z, Z_SYNC_FLUSH);
  out.resize(z.total_out - 4);
  deflateEnd(&z);
  return out;
}

}  // namespace

TEST_CASE("messages come back whole, each without the history of the one before") {
  Inflater inflater;
  const std::string a = "{\"type\":\"update\",\"x\":\"" + std::string(40'000, 'a') + "\"}";
  const std::string b = "another";
  CHECK(inflater.inflate(deflated(a)) == a);
  CHECK(inflater.inflate(deflated(b)) == b);
  CHECK(inflater.inflate(deflated(b)) == b);
  CHECK(inflater.inflate(deflated(a)) == a);
}

TEST_CASE("what is no deflate is refused, and does not spoil the next message") {
  Inflater inflater;
  CHECK(inflater.inflate("\xFF\xFF\xFF\xFF not deflate").data() == nullptr);
  CHECK(inflater.inflate(deflated("good")) == "good");
}
