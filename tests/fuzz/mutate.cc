#include "tests/fuzz/mutate.h"

#include <array>
#include <string_view>

namespace tocsin::fuzz {
namespace {

using namespace std::string_view_literals;

// Edges of numbers, of UTF-8 (overlong, surrogate, cut, beyond U+10FFFF), of quoting and of nesting.
constexpr auto kHardWords = std::to_array<std::string_view>({
    "\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "\\u",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "null",
    "true",
    "-0",
    "1e999",
    "1e-999",
    "0.1",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775809",
    "2147483648",
    "\0"sv,
    "\r\n",
    "\n",
    "\t",
    "%",
    "%00",
    "%zz",
    "&",
    "=",
    "+",
    "\xc0\x80",
    "\xed\xa0\x80",
    "\xf4\x90\x80\x80",
    "\xe2\x82",
    "\xff",
    "\xef\xbb\xbf",
    "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"sv,
    "\xff\xff\xff\xff\x0f",
    "[[[[[[[[[[[[[[[[",
    "{\"a\":{\"a\":{\"a\":",
    "&a [*a,*a]",
    "!!binary",
    "- - - -",
    "---\n",
    "#",
    "9999-12-31T23:59:60Z",
    "+24:00",
    ".",
});

}  // namespace

std::uint64_t Mutator::random() {  // splitmix64: small, good enough, the same everywhere
  state_ += 0x9e3779b97f4a7c15ULL;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27U)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31U);
}

void Mutator::change(std::string& input) {
  const std::size_t at = below(input.size() + 1);
  const std::size_t length = 1 + below(8);
  switch (below(7)) {
    case 0:
      if (at < input.size())
        input[at] = static_cast<char>(static_cast<unsigned char>(input[at]) ^ (1U << below(8)));
      return;
    case 1:
      if (at < input.size()) input[at] = static_cast<char>(random() & 0xffU);
      return;
    case 2:
      input.insert(at, kHardWords[below(kHardWords.size())]);
      return;
    case 3:
      input.erase(at, length);
      return;
    case 4:
      input.resize(at);
      return;
    case 5: {
      const std::string piece = input.substr(at, length * length);
      for (std::size_t n = below(4); n-- > 0;) input.insert(at, piece);
      return;
    }
    default: {
      const std::string& other = corpus_[below(corpus_.size())];
      const std::size_t from = below(other.size() + 1);
      input.insert(at, other, from, below(64));
    }
  }
}

std::string Mutator::next(std::size_t max_bytes) {
  std::string input = corpus_[below(corpus_.size())].substr(0, max_bytes);
  for (std::size_t n = 1 + below(5); n-- > 0;) change(input);
  input.resize(std::min(input.size(), max_bytes));
  return input;
}

}  // namespace tocsin::fuzz
