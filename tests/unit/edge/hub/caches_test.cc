// The hub's small parts: private frames, recent updates, current state, the index of filters.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <random>

#include "edge/hub/feed.h"
#include "edge/hub/filter_index.h"
#include "edge/hub/private_tail.h"
#include "edge/hub/recent_updates.h"
#include "edge/hub/state_cache.h"
#include "tests/unit/edge/hub/updates.h"

namespace tocsin::edge {
namespace {

using hub_test::update;

TEST_CASE("private frames leave in order, whole, own ones counted and shared ones not") {
  PrivateTail tail;
  tail.append("aaaa");
  tail.append("bb");
  auto run = std::make_shared<FrameRun>();
  run->bytes = "ccc";
  run->close_frame();
  run->bytes += "ddd";
  run->close_frame();
  tail.append(run);
  tail.append("e");
  CHECK(tail.own_bytes() == 7);
  CHECK(tail.unsent() == 13);
  std::string got;
  for (const std::size_t max : {5, 1, 100, 3, 3, 9}) {
    const auto front = tail.front(max);
    got += std::string(front) + "|";
    tail.take(front.size());
  }
  CHECK(got == "aaaa|bb|cccddd|e|||" + std::string());
  CHECK(tail.empty());
  CHECK(tail.own_bytes() == 0);
  CHECK(tail.unsent() == 0);
}

TEST_CASE("recent updates: bounded, contiguous, extended backwards only when they join") {
  const auto one = update(1, "a")->footprint();
  RecentUpdates recent(one * 10);
  recent.reset(100);
  for (Offset o = 101; o <= 105; ++o) recent.push(update(o, "a"));
  CHECK(recent.floor() == 100);
  CHECK_FALSE(recent.prepend({update(98, "a"), update(99, "a")}));
  CHECK(recent.prepend({update(99, "a"), update(100, "a")}));
  CHECK(recent.floor() == 98);
  CHECK(recent.at(99)->offset() == 99);
  std::deque<SharedUpdate> many;
  for (Offset o = 80; o <= 98; ++o) many.push_back(update(o, "a"));
  CHECK_FALSE(recent.prepend(many));
  for (Offset o = 106; o <= 200; ++o) recent.push(update(o, "a"));
  CHECK(recent.footprint() <= one * 12);
  CHECK(recent.head() == 200);
  CHECK(recent.at(recent.floor() + 1)->offset() == recent.floor() + 1);
}

TEST_CASE("current state: a snapshot and the updates after it, older news ignored, over the bound given up") {
  RecentUpdates recent(1 << 20);
  recent.reset(4);
  recent.push(update(5, "a", "P1"));
  recent.push(update(6, "b", "P1"));
  StateCache state(1 << 20);
  state.begin();
  state.add_page({{"a", 5, R"({"id":"a","severity":"P1"})"}, {"c", 2, R"({"id":"c"})"}});
  CHECK(state.complete(5, recent));
  CHECK(state.ready(6));
  CHECK(state.entries().size() == 3);
  state.apply(*update(7, "a", "P2"));
  CHECK(StateCache::facts_of_entry("a", state.entries().at("a")).severity == "P2");
  state.apply(*hub_test::event(8, "z", "note"));
  CHECK(state.entries().size() == 3);
  // A snapshot newer than the feed is ready once the feed is there.
  state.begin();
  state.add_page({{"a", 9, "{}"}});
  CHECK(state.complete(9, recent));
  CHECK_FALSE(state.ready(8));
  CHECK(state.ready(9));
  // One that the ring no longer joins is refused.
  state.begin();
  CHECK_FALSE(state.complete(3, recent));
  StateCache tiny(100);
  tiny.begin();
  tiny.add_page({{"a", 1, std::string(200, ' ')}});
  CHECK(tiny.phase() == StateCache::Phase::too_big);
  CHECK(StateCache(0).phase() == StateCache::Phase::too_big);
}

TEST_CASE("PROTOCOL 3.2: the index names every audience that matches, each once, and few that do not") {
  std::mt19937 random(7);
  const auto roll = [&random](unsigned n) {
    return std::uniform_int_distribution<unsigned>(0, n - 1)(random);
  };
  Feed feed("c", 1, 1 << 20, 1 << 20);
  FilterIndex index;
  std::vector<std::unique_ptr<Audience>> audiences;
  for (unsigned i = 0; i < 2'000; ++i) {
    std::string json = "{";
    if (roll(3) != 0)
      json += R"("incident":["i)" + std::to_string(roll(500)) + "\"]";
    else if (roll(2) == 0)
      json += R"("labels":{"service":["s1","s)" + std::to_string(roll(9)) + "\"]}";
    else if (roll(2) == 0)
      json += R"("active":true)";
    else
      json += R"("severity":["P)" + std::to_string(roll(5)) + R"("],"status":["investigating"])";
    json += "}";
    audiences.push_back(
        std::make_unique<Audience>(feed, std::to_string(i), *Filter::parse(json), Encoding{}, i));
    index.add(*audiences.back(), audiences.back()->filter);
  }
  std::size_t touched = 0, matched = 0;
  for (unsigned i = 0; i < 200; ++i) {
    const auto u =
        update(i + 1, "i" + std::to_string(roll(500)), "P" + std::to_string(roll(5)), false,
               R"(,"status":"investigating","labels":{"service":"s)" + std::to_string(roll(9)) + "\"}");
    std::vector<Audience*> out;
    index.candidates(u->facts(), out);
    touched += out.size();
    std::sort(out.begin(), out.end());
    CHECK(std::adjacent_find(out.begin(), out.end()) == out.end());
    for (const auto& audience : audiences) {
      if (!audience->filter.matches(u->facts())) continue;
      ++matched;
      CHECK(std::binary_search(out.begin(), out.end(), audience.get()));
    }
  }
  CHECK(matched > 1'000);
  CHECK(touched < matched * 2);
  for (const auto& audience : audiences) index.remove(*audience, audience->filter);
  CHECK_FALSE(index.needs_facts());
  std::vector<Audience*> none;
  index.candidates(update(1, "i1")->facts(), none);
  CHECK(none.empty());
}

TEST_CASE("ten thousand filters: an update finds those that match, not those that share one value with it") {
  Feed feed("c", 1, 1 << 20, 1 << 20);
  FilterIndex index;
  std::vector<std::unique_ptr<Audience>> audiences;
  const auto add = [&](const std::string& json) {
    audiences.push_back(std::make_unique<Audience>(feed, std::to_string(audiences.size()),
                                                   *Filter::parse(json), Encoding{}, 1));
    index.add(*audiences.back(), audiences.back()->filter);
  };
  // Each member has few values, their combinations are many; and each filter has one label that all share
  // beside one of its own.
  const auto text = [](const char* prefix, int n) {
    return "\"" + std::string(prefix) + std::to_string(n) + "\"";
  };
  for (int team = 0; team < 10; ++team)
    for (int source = 0; source < 10; ++source)
      for (int category = 0; category < 10; ++category)
        for (int severity = 0; severity < 5; ++severity)
          add(R"({"team":[)" + text("t", team) + R"(],"source":[)" + text("s", source) + R"(],"category":[)" +
              text("c", category) + R"(],"severity":[)" + text("P", severity) + "]}");
  for (int i = 0; i < 5'000; ++i) add(R"({"labels":{"region":["eu"],"service":[)" + text("svc", i) + "]}}");
  const auto u =
      update(1, "i1", "P3", false,
             R"(,"team":"t4","source":"s2","category":"c9","labels":{"region":"eu","service":"svc77"})");
  std::vector<Audience*> out;
  index.candidates(u->facts(), out);
  std::size_t matched = 0;
  for (const auto& audience : audiences) matched += audience->filter.matches(u->facts()) ? 1 : 0;
  CHECK(matched == 2);
  CHECK(out.size() < 10);
  for (const auto& audience : audiences)
    if (audience->filter.matches(u->facts()))
      CHECK(std::find(out.begin(), out.end(), audience.get()) != out.end());
  for (const auto& audience : audiences) index.remove(*audience, audience->filter);
  CHECK_FALSE(index.needs_facts());
}

}  // namespace
}  // namespace tocsin::edge
