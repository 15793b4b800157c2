// tocsin-reference: writes what people look up - settings, metrics, errors - from the code that defines it,
// and checks that the committed files say the same.
//   tocsin-reference write ROOT     tocsin-reference check ROOT
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "tools/reference/pages.h"

namespace {

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

int write(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  if (out << text << std::flush) return 0;
  std::fprintf(stderr, "tocsin-reference: cannot write %s\n", path.c_str());
  return 1;
}

int check(const std::string& path, const std::string& text) {
  if (read(path) == text) return 0;
  std::fprintf(stderr,
               "tocsin-reference: %s is not what the code says; run tools/dev reference and commit it\n",
               path.c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string_view> words(argv, argv + argc);
  const bool writes = words.size() == 3 && words[1] == "write";
  if (!writes && !(words.size() == 3 && words[1] == "check")) {
    std::fputs("usage: tocsin-reference write|check ROOT\n", stderr);
    return 2;
  }
  int failed = 0;
  for (const auto& page : tocsin::reference::pages()) {
    const std::string path = std::string{words[2]} + "/" + page.path;
    failed |= writes ? write(path, page.text) : check(path, page.text);
  }
  return failed;
}
