#include <doctest/doctest.h>

#include <map>
#include <set>

#include "ops/ctl/demo.h"
#include "ops/ctl/draft_json.h"
#include "ops/ctl/filter_args.h"
#include "ops/ctl/stream_view.h"
#include "ops/ctl/update_view.h"

namespace tocsin::ops {
namespace {

constexpr const char* kEpoch = "00000000000000ab";

json::Document parsed(const std::string& text) { return *json::parse(text); }
using What = StreamView::Seen::What;

StreamView subscribed_at(Offset offset) {
  StreamView view({.channel = "incidents", .filter = {}, .since = {}, .snapshot = false});
  const auto seen = view.take(parsed(R"({"type":"subscribed","position":{"epoch":")" + std::string(kEpoch) +
                                     R"(","offset":)" + std::to_string(offset) + R"(},"outcome":"live"})"));
  REQUIRE(seen.what == What::subscribed);
  return view;
}
StreamView::Seen update(StreamView& view, Offset offset, const std::string& more = {}) {
  return view.take(parsed(R"({"type":"update","offset":)" + std::to_string(offset) + more + "}"));
}

TEST_SUITE("StreamView") {
  TEST_CASE("updates and skips that touch leave no gap") {
    auto view = subscribed_at(4);
    CHECK(update(view, 5).what == What::update);
    CHECK(view.take(parsed(R"({"type":"skip","from":6,"to":9})")).what == What::nothing);
    CHECK(update(view, 12, R"(,"replaces":[10,11])").what == What::update);
    CHECK(view.lost() == 0);
    CHECK(view.position()->offset == 12);
  }
  TEST_CASE("a hole is reported with its bounds and counted") {
    auto view = subscribed_at(4);
    const auto seen = update(view, 8);
    CHECK(seen.what == What::gap);
    CHECK(seen.text == "a gap: updates 5 to 7 did not come");
    CHECK(view.lost() == 3);
    CHECK(update(view, 9).what == What::update);
  }
  TEST_CASE("the next socket goes on behind the last position") {
    auto view = subscribed_at(4);
    static_cast<void>(update(view, 5));
    CHECK(
        view.subscribe_frame() ==
        R"({"type":"subscribe","id":"tail","channel":"incidents","since":{"epoch":"00000000000000ab","offset":5}})");
    static_cast<void>(view.take(parsed(
        R"({"type":"subscribed","position":{"epoch":"00000000000000ab","offset":5},"outcome":"resumed"})")));
    CHECK(update(view, 6).what == What::update);
    CHECK(view.lost() == 0);
  }
  TEST_CASE("a lost position is never silent") {
    auto view = subscribed_at(4);
    const auto seen = view.take(parsed(
        R"({"type":"subscribed","position":{"epoch":"00000000000000ab","offset":9},"outcome":"lost","reason":"too_old"})"));
    CHECK(seen.what == What::gap);
    CHECK(seen.text.find("too_old") != std::string::npos);
    CHECK(view.lost() == 5);
    CHECK(update(view, 10).what == What::update);
  }
  TEST_CASE("the first frame asks for what was wished") {
    const StreamView view(
        {.channel = "c", .filter = *parse_filter_words({"severity=P1,P0"}), .since = {}, .snapshot = true});
    CHECK(
        view.subscribe_frame() ==
        R"({"type":"subscribe","id":"tail","channel":"c","filter":{"severity":["P0","P1"]},"snapshot":true})");
  }
  TEST_CASE("errors, goodbyes and nonsense are told apart; what is new is passed over") {
    auto view = subscribed_at(1);
    CHECK(view.take(parsed(R"({"type":"error","code":"forbidden","message":"no"})")).text == "forbidden: no");
    CHECK(view.take(parsed(R"({"type":"closing","code":1012,"reason":"restart","retry_after_ms":500})"))
              .retry_after_ms == 500);
    CHECK(view.take(parsed(R"({"type":"update","offset":"x"})")).what == What::refused);
    CHECK(view.take(parsed(R"({"type":"head","offset":1})")).what == What::nothing);
    CHECK(view.take(parsed(R"({"type":"invented-later"})")).what == What::nothing);
  }
}

TEST_SUITE("update_line") {
  TEST_CASE("one line with what matters, no colour unless asked") {
    const auto frame = parsed(
        R"({"offset":18,"kind":"escalated","key":"INC7","at":"2016-02-29T01:23:00.000Z","actor":"ana",)"
        R"("incident":{"severity":"P1","status":"escalated","title":"search: slow","team":"web"}})");
    CHECK(
        update_line(frame, Colour::off) ==
        "01:23:00  #18       P1  escalated      escalated      INC7              search: slow  (web)  by ana");
    CHECK(update_line(frame, Colour::on).find("\x1b[1;31mP1\x1b[0m") != std::string::npos);
  }
  TEST_CASE("an incident cannot move the reader's cursor") {
    const auto frame = parsed(
        R"({"offset":1,"kind":"created","key":"k\u001b[2J","incident":{"title":"a\nb\u0007\u009bc"}})");
    const auto line = update_line(frame, Colour::off);
    CHECK(line.find('\x1b') == std::string::npos);
    CHECK(line.find('\n') == std::string::npos);
    CHECK(line.find("\xC2\x9B") == std::string::npos);
  }
  TEST_CASE("long text is cut between characters") { CHECK(printable("äöüß", 2) == "äö…"); }
}

TEST_SUITE("words of the command line") {
  TEST_CASE("filters add up") {
    const auto filter =
        parse_filter_words({"severity=P0,P1", "severity=P2", "labels.service=api", "active=true"});
    REQUIRE(filter);
    CHECK(filter->canonical() ==
          Filter::parse(R"({"severity":["P0","P1","P2"],"labels":{"service":["api"]},"active":true})")
              ->canonical());
  }
  TEST_CASE("a typo is named") {
    CHECK(parse_filter_words({"sevrity=P0"})
              .error()
              .detail.starts_with("--filter sevrity=P0: no such member; there are severity"));
    CHECK(parse_filter_words({"severity"}).error().detail ==
          "--filter severity: write it as member=value[,value]");
    CHECK_FALSE(parse_filter_words({"active=maybe"}));
  }
  TEST_CASE("positions, durations, speeds") {
    CHECK(position_text(*parse_position("00000000000000ab:17")) == "00000000000000ab:17");
    for (const char* bad :
         {"", "17", "ab:17", "00000000000000ab:", "00000000000000ab:1x", "00000000000000ab:-1"})
      CHECK_FALSE(parse_position(bad));
    CHECK(*parse_duration("250ms") == Millis{250});
    CHECK(*parse_duration("90") == Millis{90'000});
    CHECK(*parse_duration("1.5m") == Millis{90'000});
    for (const char* bad : {"", "s", "5d", "-1s", "1e99"}) CHECK_FALSE(parse_duration(bad));
    CHECK(*parse_speed("max") == 0);
    CHECK(*parse_speed("3600x") == 3600);
    for (const char* bad : {"", "0", "-1x", "fast", "x"}) CHECK_FALSE(parse_speed(bad));
  }
}

TEST_SUITE("DemoScript") {
  TEST_CASE("the same seed tells the same story, another run's incidents are its own") {
    DemoScript a(7, "aa", "incidents", 10), b(7, "aa", "incidents", 10), c(7, "bb", "incidents", 10);
    for (int i = 0; i < 200; ++i) {
      const auto x = a.next(0), y = b.next(0), z = c.next(0);
      CHECK(draft_json(x.draft) == draft_json(y.draft));
      CHECK(x.draft.key != z.draft.key);
    }
  }
  TEST_CASE("every incident's life is one that could be; every draft would be accepted") {
    DemoScript script(3, "r", "incidents", 10);
    std::map<std::string, std::string> kind_before;
    std::set<std::string> events, kinds;
    for (int i = 0; i < 3000; ++i) {
      const auto draft = script.next(1'700'000'000'000).draft;
      REQUIRE(parse_draft(draft_json(draft), "incidents", 65'536));
      CHECK(events.insert(draft.event_id).second);
      kinds.insert(draft.kind);
      const auto before = kind_before.find(draft.key);
      CHECK((draft.kind == "created") == (before == kind_before.end()));
      if (before != kind_before.end()) {
        CHECK(before->second != "closed");
        if (draft.kind == "closed" || draft.kind == "reopened") CHECK(before->second == "resolved");
      }
      kind_before[draft.key] = draft.kind;
    }
    for (const char* kind : {"created", "acknowledged", "escalated", "commented", "state_changed", "resolved",
                             "reopened", "closed"})
      CHECK(kinds.contains(kind));
    CHECK(script.open_incidents() < 200);
  }
}

}  // namespace
}  // namespace tocsin::ops
