#include "ops/settings/settings.h"

#include <doctest/doctest.h>

#include <set>

#include "common/config/program.h"

namespace tocsin::settings {
namespace {

TEST_SUITE("ops.settings") {
  TEST_CASE("within a program keys, variables and flags are unique") {
    for (const auto& program : programs()) {
      std::set<std::string> seen;
      for (const auto& text : program.rows) {
        CAPTURE(text.row.key);
        CHECK(seen.insert(std::string{text.row.key}).second);
        CHECK(seen.insert(config::env_name(text.row.key)).second);
        CHECK(seen.insert(config::flag_name(text.row.key)).second);
      }
    }
  }

  TEST_CASE("every default is accepted by its own row, and every row has help") {
    for (const auto& program : programs()) {
      std::vector<std::pair<std::string, std::string>> environment;
      for (const auto& [row, default_text] : program.rows) {
        CAPTURE(row.key);
        environment.emplace_back(config::env_name(row.key), default_text);
        CHECK(row.help.ends_with('.'));
      }
      const auto done = program.check({{}, environment, {}, config::known_keys()});
      CHECK_MESSAGE(done, (done ? "" : done.error().detail));
    }
  }

  TEST_CASE("a variable that names no setting is said once, not once per program") {
    const auto complaints = check("", {{"TOCSIN_EDGE_IDD", "x"}});
    REQUIRE(complaints.size() == 1);
    CHECK(complaints[0].find("did you mean TOCSIN_EDGE_ID?") != std::string::npos);
    CHECK(check("", {{"TOCSIN_EDGE_ID", "x"}}).empty());
  }
}

}  // namespace
}  // namespace tocsin::settings
