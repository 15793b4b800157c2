#include "tests/checker/checker.h"

#include <doctest/doctest.h>

#include <sstream>

#include "tests/checker/coverage.h"

namespace tocsin::checker {
namespace {

/// The start of a client's line, up to its socket.
std::string head(std::string_view who, std::string_view conn) {
  return R"({"client":")" + std::string(who) + R"(","conn":)" + std::string(conn);
}

class History {
 public:
  explicit History(std::string_view meta = "") {
    if (!meta.empty()) add(std::string(R"({"e":"meta",)") + std::string(meta) + "}");
  }
  History& open(const char* who, const char* conn = "1") { return add(head(who, conn) + R"(,"e":"open"})"); }
  History& close(const char* who, const char* conn = "1") {
    return add(head(who, conn) + R"(,"e":"close"})");
  }
  History& says(const char* who, const std::string& frame, const char* conn = "1") {
    return add(head(who, conn) + R"(,"sent":)" + frame + "}");
  }
  History& gets(const char* who, const std::string& frame, const char* conn = "1") {
    return add(head(who, conn) + R"(,"frame":)" + frame + "}");
  }
  History& sends(const std::string& id, const std::string& more = "") {
    return add(R"({"publisher":"p","e":"sent","update":{"channel":"c","event_id":")" + id +
               R"(","kind":"updated","key":"k")" + more + "}}");
  }
  History& acked(const std::string& id, int offset, const std::string& epoch = "e1") {
    return add(R"({"publisher":"p","e":"acked","channel":"c","event_id":")" + id +
               R"(","position":{"epoch":")" + epoch + R"(","offset":)" + std::to_string(offset) + "}}");
  }
  History& refused(const std::string& id) {
    return add(R"({"publisher":"p","e":"refused","event_id":")" + id + R"("})");
  }
  History& settled() { return add(R"({"e":"settled"})"); }
  History& add(const std::string& line) {
    text_ += line + "\n";
    return *this;
  }

  // Common openings: the client subscribes to c as "a", sub 7.
  History& live(const char* who, int at, const std::string& filter = "{}") {
    return open(who)
        .says(who, R"({"type":"subscribe","id":"a","channel":"c","filter":)" + filter + "}")
        .gets(who, subscribed("live", at));
  }
  static std::string position(int offset, const std::string& epoch = "e1") {
    return R"({"epoch":")" + epoch + R"(","offset":)" + std::to_string(offset) + "}";
  }
  static std::string subscribed(const std::string& outcome, int offset, const std::string& epoch = "e1",
                                const std::string& more = "") {
    return R"({"type":"subscribed","id":"a","sub":7,"channel":"c","position":)" + position(offset, epoch) +
           R"(,"outcome":")" + outcome + "\"" + more + "}";
  }

  [[nodiscard]] Verdict judge() const {
    Checker checker;
    std::istringstream in(text_);
    for (std::string line; std::getline(in, line);) REQUIRE(checker.line(line));
    return checker.finish();
  }

 private:
  std::string text_;
};

std::string update(int offset, const std::string& more = "", const std::string& id = "") {
  return R"({"type":"update","sub":7,"offset":)" + std::to_string(offset) + R"(,"event_id":")" +
         (id.empty() ? "ev" + std::to_string(offset) : id) + R"(","kind":"updated","key":"k")" + more + "}";
}
/// Of incident `key` in version `version`.
std::string change(int offset, const std::string& key, int version, const std::string& severity = "P1",
                   const std::string& status = "detected", const std::string& more = "") {
  return R"({"type":"update","sub":7,"offset":)" + std::to_string(offset) + R"(,"event_id":"ev)" +
         std::to_string(offset) + R"(","kind":"updated","key":")" + key + R"(","incident":{"id":")" + key +
         R"(","version":)" + std::to_string(version) + R"(,"severity":")" + severity + R"(","status":")" +
         status + "\"}" + more + "}";
}
std::string row(const std::string& key, int version, const std::string& severity = "P1",
                const std::string& status = "detected") {
  return R"({"id":")" + key + R"(","status":")" + status + R"(","severity":")" + severity +
         R"(","version":)" + std::to_string(version) + "}";
}
std::string snapshot(const std::string& rows, bool last = true) {
  return R"({"type":"snapshot","sub":7,"incidents":[)" + rows + R"(],"last":)" + (last ? "true}" : "false}");
}
std::string skip(int from, int to) {
  return R"({"type":"skip","sub":7,"from":)" + std::to_string(from) + R"(,"to":)" + std::to_string(to) + "}";
}
std::string beacon(int offset) {
  return R"({"type":"head","sub":7,"offset":)" + std::to_string(offset) + "}";
}
std::string since(int offset, const std::string& epoch = "e1") {
  return R"({"type":"subscribe","id":"a","channel":"c","since":)" + History::position(offset, epoch) + "}";
}
std::string with_snapshot(const std::string& filter = "{}") {
  return R"({"type":"subscribe","id":"a","channel":"c","snapshot":true,"filter":)" + filter + "}";
}
const std::string kOnlyP0 = R"({"severity":["P0"]})";

void holds(const History& history) {
  const Verdict v = history.judge();
  INFO(to_text(v));
  CHECK(v.holds());
}
void breaks(const char* clause, const History& history) {
  CAPTURE(clause);
  const Verdict v = history.judge();
  INFO(to_text(v));
  CHECK(v.has(clause));
  CHECK(v.by_clause.size() == 1);  // and nothing else is blamed
}

TEST_SUITE("history checker: whole histories pass") {
  TEST_CASE("a full feed, settled") {
    holds(History(R"("all_publishers":true,"stable_epochs":true)")
              .live("A", 0)
              .sends("ev1")
              .acked("ev1", 1)
              .sends("ev2")
              .acked("ev2", 2)
              .gets("A", update(1))
              .gets("A", update(2))
              .gets("A", beacon(2))
              .settled());
  }
  TEST_CASE("a filter skips what does not match") {
    holds(History()
              .live("A", 0)
              .live("B", 0, kOnlyP0)
              .gets("A", change(1, "x", 1))
              .gets("A", change(2, "y", 1, "P0"))
              .gets("B", skip(1, 1))
              .gets("B", change(2, "y", 1, "P0"))
              .settled());
  }
  TEST_CASE("resume continues at since, and a head may run ahead of updates") {
    holds(History()
              .live("A", 0)
              .gets("A", update(1))
              .close("A")
              .open("A", "2")
              .says("A", since(1), "2")
              .gets("A", History::subscribed("resumed", 1), "2")
              .gets("A", beacon(2), "2")
              .gets("A", update(2), "2")
              .settled());
  }
  TEST_CASE("a ticket may resume at an older position: repeats are the application's to drop") {
    holds(History()
              .live("A", 0)
              .gets("A", update(1))
              .gets("A", update(2))
              .open("A", "2")
              .says("A", R"({"type":"connect","ticket":"t"})", "2")
              .gets("A", History::subscribed("resumed", 1), "2")
              .gets("A", update(2), "2")
              .gets("A", update(3), "2"));
  }
  TEST_CASE("a migration: the old socket's rest arrives after the new socket's start") {
    holds(History()
              .live("A", 0)
              .gets("A", update(1))
              .open("A", "2")
              .says("A", R"({"type":"connect","ticket":"t"})", "2")
              .gets("A", History::subscribed("resumed", 2), "2")
              .gets("A", update(3), "2")
              .gets("A", update(2))
              .close("A"));
  }
  TEST_CASE("conflation: jumped offsets turn up in replaces") {
    holds(History()
              .live("B", 0)
              .live("A", 0)
              .gets("A", change(2, "y", 1))
              .gets("A", change(3, "x", 2, "P1", "detected", R"(,"replaces":[1])"))
              .gets("A", beacon(3))
              .gets("B", change(1, "x", 1))
              .gets("B", change(2, "y", 1))
              .gets("B", change(3, "x", 2)));
  }
  TEST_CASE("a snapshot is the fold up to its position") {
    holds(History()
              .live("B", 0)
              .gets("B", change(1, "x", 1))
              .gets("B", change(2, "y", 1, "P0"))
              .gets("B", change(3, "x", 2))
              .open("A")
              .says("A", with_snapshot())
              .gets("A", History::subscribed("live", 2))
              .gets("A", snapshot(row("x", 1), false))
              .gets("A", snapshot(row("y", 1, "P0")))
              .gets("A", change(3, "x", 2)));
  }
  TEST_CASE("2.10 rows filter beside the filter, from the next subscribed on") {
    const auto of = [](int offset, const std::string& tenant) {
      return R"({"type":"update","sub":7,"offset":)" + std::to_string(offset) + R"(,"event_id":"ev)" +
             std::to_string(offset) + R"(","kind":"updated","key":"k)" + std::to_string(offset) +
             R"(","incident":{"id":"k","version":1,"severity":"P0","labels":{"tenant":")" + tenant + "\"}}}";
    };
    const auto rows = [](const std::string& labels) {
      return R"({"client":"A","conn":1,"e":"rows","id":"a","labels":)" + labels + "}";
    };
    const std::string x = R"({"tenant":["x"]})";
    const auto within = [&](const std::string& labels) {
      return History()
          .open("A")
          .add(rows(labels))
          .says("A", R"({"type":"subscribe","id":"a","channel":"c","filter":)" + kOnlyP0 + "}")
          .gets("A", History::subscribed("live", 0));
    };
    holds(within(x)
              .gets("A", of(1, "x"))
              .gets("A", skip(2, 2))
              .live("B", 0)
              .gets("B", of(1, "x"))
              .gets("B", of(2, "y")));
    breaks("filter", within(x).gets("A", of(1, "y")));
    breaks("filter", within(x).gets("A", skip(1, 1)).live("B", 0).gets("B", of(1, "x")));
    breaks("filter", within(R"({"tenant":[]})").gets("A", of(1, "x")));
    breaks("snapshot",
           History()
               .open("A")
               .add(rows(x))
               .says("A", with_snapshot())
               .gets("A", History::subscribed("snapshot", 1))
               .gets("A", snapshot(R"({"id":"k1","version":1,"severity":"P0","labels":{"tenant":"y"}})"))
               .live("B", 0)
               .gets("B", of(1, "y")));
    holds(within("null").gets("A", of(1, "y")).gets("A", skip(2, 2)));
    // Until it is answered by a subscribed, the old rows count.
    holds(within(x)
              .add(rows(R"({"tenant":["y"]})"))
              .gets("A", of(1, "x"))
              .gets("A", History::subscribed("snapshot", 1))
              .gets("A", snapshot(""))
              .gets("A", of(2, "y")));
  }
  TEST_CASE("an active filter gets the end of an incident, not what follows it") {
    const std::string active = R"({"active":true})";
    holds(History()
              .live("B", 0)
              .live("A", 0, active)
              .gets("B", change(1, "x", 1))
              .gets("B", change(2, "x", 2, "P1", "resolved"))
              .gets("B", change(3, "x", 3, "P1", "closed"))
              .gets("A", change(1, "x", 1))
              .gets("A", change(2, "x", 2, "P1", "resolved"))
              .gets("A", skip(3, 3)));
  }
  TEST_CASE("a declared epoch change starts anew") {
    holds(History()
              .live("A", 0)
              .gets("A", update(1))
              .gets("A", History::subscribed("lost", 0, "e2", R"(,"reason":"epoch_changed")"))
              .gets("A", update(1, "", "other"))
              .acked("other", 1, "e2")
              .settled());
  }
}

TEST_SUITE("history checker: every broken promise is named") {
  TEST_CASE("gap") {
    breaks("gap", History().live("A", 0).gets("A", update(1)).gets("A", update(3)));
    breaks("gap", History()
                      .live("A", 0)
                      .gets("A", update(1))
                      .gets("A", update(3))
                      .gets("A", beacon(3))
                      .gets("A", update(4)));
    breaks("gap", History().live("A", 0).gets("A", update(3)).close("A"));
    breaks("gap", History().live("A", 0).gets("A", update(2, R"(,"replaces":[])")).gets("A", beacon(2)));
    // A ticket that skips what the application never saw, on any socket.
    breaks("gap", History()
                      .live("A", 0)
                      .gets("A", update(1))
                      .close("A")
                      .open("A", "2")
                      .says("A", R"({"type":"connect","ticket":"t"})", "2")
                      .gets("A", History::subscribed("resumed", 2), "2")
                      .gets("A", update(3), "2"));
  }
  TEST_CASE("duplicate") {
    breaks("duplicate", History().live("A", 0).gets("A", update(1)).gets("A", update(1)));
    breaks("duplicate", History().live("A", 0, kOnlyP0).gets("A", skip(1, 3)).gets("A", skip(3, 4)));
    breaks("duplicate", History().live("A", 5).gets("A", update(5)));
  }
  TEST_CASE("content") {
    breaks("content",
           History().live("A", 0).live("B", 0).gets("A", update(1)).gets("B", update(1, R"(,"actor":"x")")));
    breaks("content",
           History().live("A", 0).live("B", 0).gets("A", update(1)).gets("B", update(1, "", "other")));
  }
  TEST_CASE("head") { breaks("head", History().live("A", 0).gets("A", update(1)).gets("A", beacon(0))); }
  TEST_CASE("resume") {
    const auto back = [](const std::string& answer) {
      return History()
          .live("A", 0)
          .gets("A", update(1))
          .close("A")
          .open("A")
          .says("A", since(1))
          .gets("A", answer);
    };
    breaks("resume", back(History::subscribed("resumed", 0)));
    breaks("resume", back(History::subscribed("live", 1)));
    breaks("resume", back(History::subscribed("lost", 1)));
    breaks("resume",
           History().open("A").says("A", with_snapshot()).gets("A", History::subscribed("resumed", 1)));
  }
  TEST_CASE("epoch") {
    const auto back = [](const std::string& answer, const char* meta = "") {
      return History(meta)
          .live("A", 0)
          .gets("A", update(1))
          .close("A")
          .open("A")
          .says("A", since(1))
          .gets("A", answer);
    };
    breaks("epoch", back(History::subscribed("resumed", 1, "e2")));
    breaks("epoch", back(History::subscribed("lost", 1, "e1", R"(,"reason":"epoch_changed")")));
    breaks("epoch", back(History::subscribed("lost", 1, "e1", R"(,"reason":"future")")));
    breaks("epoch", back(History::subscribed("lost", 1, "e2", R"(,"reason":"epoch_changed")"),
                         R"("stable_epochs":["c"])"));
    breaks("epoch",
           back(History::subscribed("lost", 5, "e1", R"(,"reason":"too_old")"), R"("history_kept":true)"));
  }
  TEST_CASE("undeclared") {
    breaks("undeclared", History().live("A", 0).gets("A", History::subscribed("live", 5)));
    breaks("undeclared", History().live("A", 0).gets(
                             "A", R"({"type":"update","sub":8,"offset":1,"event_id":"x","kind":"y"})"));
    breaks("undeclared", History().open("A").gets("A", History::subscribed("live", 5)));
    breaks("undeclared", History()
                             .live("A", 3)
                             .gets("A", update(4))
                             .gets("A", History::subscribed("lost", 2, "e1", R"(,"reason":"too_old")")));
  }
  TEST_CASE("acked") {
    breaks("acked", History().live("A", 0).gets("A", update(1)).acked("other", 1));
    breaks("acked",
           History().live("A", 0).gets("A", update(1)).gets("A", update(2)).acked("ev1", 1).acked("ev2", 1));
    breaks("acked", History().acked("ev1", 1).acked("ev1", 2));
  }
  TEST_CASE("twice") {
    breaks("twice", History().live("A", 0).gets("A", update(1)).gets("A", update(2, "", "ev1")));
    holds(History(R"("dedup_window":1)")
              .live("A", 0)
              .gets("A", update(1))
              .gets("A", update(2))
              .gets("A", update(3, "", "ev1")));
  }
  TEST_CASE("a loss that an older socket tells late takes nothing back") {
    const std::string lost = History::subscribed("lost", 1, "e2", R"(,"reason":"epoch_changed")");
    holds(History()
              .live("A", 0)
              .open("A", "2")
              .says("A", R"({"type":"connect","ticket":"t","since":{"a":{"epoch":"e1","offset":0}}})", "2")
              .gets("A", lost, "2")
              .gets("A", update(2), "2")
              .gets("A", lost)
              .gets("A", update(3), "2"));
  }
  TEST_CASE("invented, refused, body") {
    breaks("invented", History(R"("all_publishers":true)").live("A", 0).gets("A", update(1)));
    breaks("refused", History().live("A", 0).sends("ev1").refused("ev1").gets("A", update(1)));
    holds(History().live("A", 0).sends("ev1").refused("ev1").sends("ev1").gets("A", update(1)));
    // The epoch that took it was forgotten; the next one refused the second copy.
    holds(History()
              .live("A", 0)
              .sends("ev1")
              .gets("A", update(1))
              .gets("A", History::subscribed("lost", 0, "e2", R"(,"reason":"epoch_changed")"))
              .refused("ev1"));
    breaks("body", History()
                       .live("A", 0)
                       .sends("ev1", R"(,"event":{"name":"n","data":1})")
                       .gets("A", update(1, R"(,"event":{"name":"n","data":2})")));
    holds(History()
              .live("A", 0)
              .sends("ev1", R"(,"event":{"name":"n","data":1})")
              .gets("A", update(1, R"(,"event":{"name":"n","data":1})")));
    breaks("body", History().live("A", 0).sends("ev1", R"(,"if_version":4)").gets("A", change(1, "k", 4)));
  }
  TEST_CASE("version") {
    breaks("version", History().live("A", 0).gets("A", change(1, "x", 1)).gets("A", change(2, "x", 3)));
  }
  TEST_CASE("filter") {
    breaks("filter", History().live("A", 0).gets("A", skip(1, 1)));
    breaks("filter", History().live("A", 0, kOnlyP0).gets("A", change(1, "x", 1)));
    breaks("filter", History()
                         .live("A", 0, kOnlyP0)
                         .gets("A", skip(1, 4))
                         .live("B", 1)
                         .gets("B", change(2, "x", 1, "P0")));
    breaks("filter", History()
                         .live("B", 0)
                         .live("A", 0, R"({"active":true})")
                         .gets("B", change(1, "x", 1, "P1", "resolved"))
                         .gets("B", change(2, "x", 2, "P1", "closed"))
                         .gets("A", change(1, "x", 1, "P1", "resolved"))
                         .gets("A", change(2, "x", 2, "P1", "closed")));
    breaks("filter", History()
                         .live("B", 0)
                         .live("A", 0, R"({"active":true})")
                         .gets("B", change(1, "x", 1))
                         .gets("B", change(2, "x", 2, "P1", "closed"))
                         .gets("A", change(1, "x", 1))
                         .gets("A", skip(2, 2)));
    breaks("filter", History()
                         .live("B", 0)
                         .live("A", 0, R"({"labels":{"service":["db"]}})")
                         .gets("B", update(1, R"(,"incident":{"labels":{"service":"db"}})"))
                         .gets("A", skip(1, 1)));
  }
  TEST_CASE("behind") {
    breaks("behind", History().live("A", 0).gets("A", update(1)).acked("ev2", 2).settled());
    breaks("behind", History().live("A", 0).live("B", 0).gets("A", update(1)).settled());
    breaks("behind", History().live("A", 0).acked("ev1", 1, "e2").settled());
  }
  TEST_CASE("snapshot") {
    const auto shot = [](const std::string& frames, const std::string& filter = "{}") {
      return History()
          .live("B", 0)
          .gets("B", change(1, "x", 1))
          .gets("B", change(2, "y", 1, "P0"))
          .gets("B", change(3, "x", 2))
          .open("A")
          .says("A", with_snapshot(filter))
          .gets("A", History::subscribed("live", 2))
          .gets("A", frames);
    };
    breaks("snapshot", shot(snapshot(row("x", 2) + "," + row("y", 1, "P0"))));
    breaks("snapshot", shot(snapshot(row("x", 1))));
    breaks("snapshot", shot(snapshot(row("x", 1) + "," + row("y", 1, "P0") + "," + row("z", 1))));
    breaks("snapshot", shot(snapshot(row("x", 1) + "," + row("y", 1, "P0") + "," + row("y", 1, "P0"))));
    breaks("snapshot", shot(snapshot(row("x", 1) + "," + row("y", 1, "P0")), kOnlyP0));
    breaks("snapshot",
           shot(snapshot(row("x", 1) + "," + row("y", 1, "P0"), false)).gets("A", change(3, "x", 2)));
    breaks("snapshot", History().live("A", 0).gets("A", snapshot("")));
  }
  TEST_CASE("replaces") {
    const auto conflated = [](const std::string& first, const std::string& second) {
      return History().live("B", 0).live("A", 0).gets("B", first).gets("B", second);
    };
    const std::string replacing = R"(,"replaces":[1])";
    breaks("replaces", conflated(change(1, "y", 1), change(2, "x", 1))
                           .gets("A", change(2, "x", 1, "P1", "detected", replacing)));
    breaks("replaces", conflated(change(1, "x", 1, "P0"), change(2, "x", 2))
                           .gets("A", change(2, "x", 2, "P1", "detected", replacing)));
    breaks("replaces", conflated(change(1, "x", 1, "P1", "closed"), change(2, "x", 2))
                           .gets("A", change(2, "x", 2, "P1", "detected", replacing)));
  }
}

TEST_SUITE("history checker: input") {
  TEST_CASE("a line that is no history line is refused and changes nothing") {
    Checker checker;
    CHECK_FALSE(checker.line("{"));
    CHECK_FALSE(checker.line("[]"));
    CHECK_FALSE(checker.line(R"({"client":"A","frame":3})"));
    CHECK_FALSE(checker.line(R"({"publisher":"p","e":"acked","event_id":"x"})"));
    CHECK(checker.line(""));
    CHECK(checker.line(R"({"client":"A","e":"something new","more":1})"));
    CHECK(checker.finish().holds());
  }
  TEST_CASE("what nobody saw is counted, not judged") {
    const Verdict v = History().sends("ev1").acked("ev1", 1).judge();
    CHECK(v.holds());
    CHECK(v.unobserved == 1);
  }
  TEST_CASE("coverage tells fresh offsets from repeated ones, in any order") {
    Coverage c(1);
    CHECK(c.add(5, 7));
    CHECK(c.add(1, 2));
    CHECK(c.hole() == std::pair<Offset, Offset>{3, 4});
    CHECK_FALSE(c.add(2, 3));
    CHECK(c.add(8, 8));
    CHECK_FALSE(c.add(4, 5));
    CHECK(c.whole());
    CHECK(c.next() == 9);
    CHECK(c.add(20, 20));
    CHECK(c.add(12, 14));
    CHECK(c.add(16, 18));
    CHECK_FALSE(c.add(11, 25));
    CHECK(c.hole() == std::pair<Offset, Offset>{9, 10});
    CHECK(c.highest() == 25);
  }
}

}  // namespace
}  // namespace tocsin::checker
