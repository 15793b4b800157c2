#include "edge/http_api/board.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>

namespace tocsin::edge {
namespace {

std::string header(const HttpReply& reply, std::string_view name) {
  for (const auto& [key, value] : reply.headers)
    if (key == name) return value;
  return {};
}

/// What stands between each `before` and the next quote.
std::set<std::string> quoted_after(std::string_view text, std::string_view before) {
  std::set<std::string> out;
  for (auto at = text.find(before); at != std::string_view::npos; at = text.find(before, at + 1)) {
    const auto begin = at + before.size();
    out.emplace(text.substr(begin, text.find('"', begin) - begin));
  }
  return out;
}

TEST_SUITE("board") {
  TEST_CASE("the page is asked for anew each time, and may run nothing but its own files") {
    const auto page = board_page();
    CHECK(page.status == 200);
    CHECK(page.content_type == "text/html; charset=utf-8");
    CHECK(header(page, "cache-control") == "no-cache");
    const auto policy = header(page, "content-security-policy");
    CHECK(policy.starts_with("default-src 'none'; script-src 'self';"));
    CHECK(policy.find("unsafe") == std::string::npos);
    CHECK(page.body.find('@') == std::string::npos);
  }

  TEST_CASE("every file that the page names is there, and may be kept for ever") {
    const auto page = board_page();
    auto named = quoted_after(page.body, "src=\"board/");
    named.merge(quoted_after(page.body, "href=\"board/"));
    REQUIRE(named.size() == 2);
    for (const auto& path : named) {
      const auto file = board_file(path);
      CHECK(file.status == 200);
      CHECK(file.content_type ==
            (path.ends_with(".js") ? "text/javascript; charset=utf-8" : "text/css; charset=utf-8"));
      CHECK(header(file, "cache-control").ends_with("immutable"));
      CHECK(header(file, "x-content-type-options") == "nosniff");
    }
  }

  TEST_CASE("every module that a module imports is there") {
    const std::string version(board_version());
    std::size_t imports = 0;
    for (const auto& file : board_files()) {
      const auto slash = file.path.find('/');
      const std::string folder(slash == std::string_view::npos ? "" : file.path.substr(0, slash + 1));
      for (const auto& module : quoted_after(file.body, "from \"./")) {
        CHECK_MESSAGE(board_file(version + "/" + folder + module).status == 200, file.path, " imports ",
                      module);
        ++imports;
      }
    }
    CHECK(imports > 15);
  }

  TEST_CASE("a page of another version gets its files, but not to keep; what is not there is not found") {
    const auto other = board_file("0123456789ab/board.js");
    CHECK(other.status == 200);
    CHECK(header(other, "cache-control") == "no-store");
    for (const char* path : {"", "x", "x/", "x/nope.js", "board.js", "x/../board.js"})
      CHECK(board_file(path).status == 404);
  }
}

}  // namespace
}  // namespace tocsin::edge
