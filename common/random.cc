#include "common/random.h"

#include <sys/random.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace tocsin {

std::uint64_t SystemRandom::u64() {
  if (used_ == kBlock) {
    // Reads of up to 256 bytes are never cut short once the kernel's pool is ready.
    static_assert(sizeof block_ <= 256);
    if (::getrandom(block_, sizeof block_, 0) != ssize_t{sizeof block_}) {
      std::fputs("the operating system gives no random numbers; cannot go on\n", stderr);
      std::abort();
    }
    used_ = 0;
  }
  return std::exchange(block_[used_++], 0);  // a used number does not stay in memory
}

std::string hex_id(Random& random, std::size_t digits) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(digits);
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < digits; ++i, bits >>= 4) {
    if (i % 16 == 0) bits = random.u64();
    out.push_back(kDigits[bits & 0xf]);
  }
  return out;
}

}  // namespace tocsin
