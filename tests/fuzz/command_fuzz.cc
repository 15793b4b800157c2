// The JSON door: every message is a command that keeps its header's bounds, or Malformed with an error to
// tell.
#include "tests/fuzz/command_check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tocsin;
  constexpr std::size_t kMaxUpdate = 64 * 1024;
  std::visit(edge::CommandCheck{}, edge::parse_command(edge::Door::json, fuzz::text(data, size), kMaxUpdate));
  return 0;
}
