#pragma once
// The generated pages of ops/reference and the golden lists of tests/golden. Pure.
#include <string>
#include <vector>

namespace tocsin::reference {

struct Page {
  std::string path;  ///< from the top of the repository
  std::string text;
};

[[nodiscard]] std::vector<Page> pages();

}  // namespace tocsin::reference
