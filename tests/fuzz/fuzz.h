#pragma once
// What a fuzz target needs: the entry point's shape and a check that stays on in release builds.
// A target is a pure function of its bytes: it decodes them and checks the decoder's promises (a text that
// was understood survives being written and read again; a failure is one the header names). Thread: the
// caller's.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace tocsin::fuzz {

inline std::string_view text(const std::uint8_t* data, std::size_t size) noexcept {
  return {reinterpret_cast<const char*>(data), size};
}

[[noreturn]] inline void broken(const char* promise, const char* file, int line) noexcept {
  std::fprintf(stderr, "%s:%d: broken promise: %s\n", file, line, promise);
  std::abort();
}

}  // namespace tocsin::fuzz

// A macro, because the report must name the place and the broken expression.
#define FUZZ_CHECK(promise) \
  ((promise) ? static_cast<void>(0) : ::tocsin::fuzz::broken(#promise, __FILE__, __LINE__))
