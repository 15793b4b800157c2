#include "edge/session/session_index.h"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <unordered_map>

using tocsin::edge::SessionIndex;

TEST_CASE("it finds what a map finds, through growth, collisions and removal") {
  std::vector<std::string> ids(4'000);
  SessionIndex index([&](std::uint32_t slot) -> std::string_view { return ids[slot]; });
  std::unordered_map<std::string, std::uint32_t> map;
  std::mt19937 random(7);
  for (int step = 0; step < 60'000; ++step) {
    const auto slot = static_cast<std::uint32_t>(random() % ids.size());
    if (ids[slot].empty()) {
      ids[slot] = std::to_string(random() % 100'000);
      if (map.contains(ids[slot])) {
        ids[slot].clear();
        continue;
      }
      map[ids[slot]] = slot;
      index.insert(slot);
    } else {
      map.erase(ids[slot]);
      index.erase(slot);
      ids[slot].clear();
    }
    const std::string asked = std::to_string(random() % 100'000);
    const auto it = map.find(asked);
    REQUIRE(index.find(asked) == (it == map.end() ? SessionIndex::kNone : it->second));
  }
  for (const auto& [id, slot] : map) CHECK(index.find(id) == slot);
}

TEST_CASE("a session that came back in another slot replaces its older self") {
  std::vector<std::string> ids{"a", "b", "a"};
  SessionIndex index([&](std::uint32_t slot) -> std::string_view { return ids[slot]; });
  index.insert(0);
  index.insert(1);
  index.insert(2);
  CHECK(index.find("a") == 2);
  index.erase(0);  // the older socket goes later
  CHECK(index.find("a") == 2);
  index.erase(2);
  CHECK(index.find("a") == SessionIndex::kNone);
  CHECK(index.find("b") == 1);
}
