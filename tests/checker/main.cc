// tocsin-check-history: judges recorded histories, see FORMAT.md.
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "tests/checker/checker.h"

namespace {

constexpr const char* kUsage =
    "usage: tocsin-check-history [--json] [--max N] [FILE...]\n"
    "Judges histories (tests/checker/FORMAT.md); \"-\" or no FILE reads standard input.\n"
    "Exit code: 0 the promise holds, 1 it is broken, 2 the input is no history.\n";

struct Arguments {
  bool json = false;
  std::size_t keep = 20;
  std::vector<std::string> files;
};

/// False when the arguments make no sense.
bool parse(int argc, char** argv, Arguments& out) {
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg == "--json") {
      out.json = true;
    } else if (arg == "--max" && i + 1 < argc) {
      const char* text = argv[++i];
      if (std::from_chars(text, text + std::strlen(text), out.keep).ec != std::errc{}) return false;
    } else if (arg.size() > 1 && arg[0] == '-') {
      return false;
    } else {
      out.files.push_back(arg);
    }
  }
  if (out.files.empty()) out.files.emplace_back("-");
  return true;
}

bool read(std::istream& in, const std::string& name, tocsin::checker::Checker& checker) {
  std::string line;
  for (std::uint64_t number = 1; std::getline(in, line); ++number) {
    if (const auto ok = checker.line(line); !ok) {
      std::cerr << name << ":" << number << ": " << ok.error().detail << "\n";
      return false;
    }
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments args;
  if (!parse(argc, argv, args)) {
    std::cerr << kUsage;
    return 2;
  }
  std::ios::sync_with_stdio(false);
  tocsin::checker::Checker checker(args.keep);
  for (const std::string& name : args.files) {
    if (name == "-") {
      if (!read(std::cin, "standard input", checker)) return 2;
      continue;
    }
    std::ifstream file(name);
    if (!file) {
      std::cerr << name << ": cannot be opened: " << std::strerror(errno) << "\n";
      return 2;
    }
    if (!read(file, name, checker)) return 2;
  }
  const auto verdict = checker.finish();
  std::cout << (args.json ? to_json(verdict) + "\n" : to_text(verdict));
  return verdict.holds() ? 0 : 1;
}
