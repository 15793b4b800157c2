#include "broker/state/incident_fold.h"

#include <doctest/doctest.h>

#include "common/json/json.h"

namespace tocsin::broker {
namespace {

constexpr std::string_view kAt = "2026-01-01T10:00:00.000Z";
constexpr std::string_view kLater = "2026-01-01T11:00:00.000Z";

Draft draft(std::string kind, std::string incident) {
  Draft d;
  d.channel = "incidents";
  d.kind = std::move(kind);
  d.key = "I1";
  d.incident = std::move(incident);
  return d;
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& n : names) out += n + " ";
  return out;
}

TEST_SUITE("fold") {
  TEST_CASE("a new incident is whole, in the fixed order, at version 1") {
    const auto f =
        fold("", draft("created", R"({"zone":"b","title":"Disk","labels":{"service":"db"},"severity":"P1"})"),
             kAt);
    REQUIRE(f);
    CHECK(
        f->json ==
        R"({"id":"I1","title":"Disk","severity":"P1","status":"detected","labels":{"service":"db"},)"
        R"("created_at":"2026-01-01T10:00:00.000Z","updated_at":"2026-01-01T10:00:00.000Z","version":1,"zone":"b"})");
    CHECK(f->version == 1);
    CHECK_FALSE(f->ends);
  }

  TEST_CASE("a partial incident is merged; only what differs is named as changed") {
    const auto first =
        fold("", draft("created", R"({"title":"Disk","labels":{"a":"1","b":"2"},"team":"core"})"), kAt);
    REQUIRE(first);
    const auto f = fold(
        first->json, draft("updated", R"({"title":"Disk","labels":{"b":null,"c":"3"},"team":null})"), kLater);
    REQUIRE(f);
    CHECK(joined(f->changed) == "labels team ");
    CHECK(f->json.find(R"("labels":{"a":"1","c":"3"})") != std::string::npos);
    CHECK(f->json.find("team") == std::string::npos);
    CHECK(f->version == 2);
  }

  TEST_CASE(
      "equal values are no change, however they are written; odd names and nested objects keep their bytes") {
    const auto first = fold(
        "",
        draft(
            "created",
            R"({"n":1,"list":[1,{"a":1,"b":2}],"q\"\u0001":"x","metadata":{"a":{"b":1,"c":null},"t":"é"}})"),
        kAt);
    REQUIRE(first);
    CHECK(first->json.find(R"("metadata":{"a":{"b":1},"t":"é"})") != std::string::npos);
    const auto same = fold(
        first->json,
        draft("updated",
              R"({"n":1.0,"list":[1.0,{"b":2,"a":1}],"q\u0022\u0001":"\u0078","metadata":{"a":{"b":1}}})"),
        kAt);
    REQUIRE(same);
    CHECK(same->changed.empty());
    const auto deep = fold(
        same->json, draft("updated", R"({"metadata":{"a":{"d":[]},"t":null},"list":{"x":null,"y":1}})"), kAt);
    REQUIRE(deep);
    CHECK(joined(deep->changed) == "metadata list ");
    CHECK(deep->json.find(R"("metadata":{"a":{"b":1,"d":[]}})") != std::string::npos);
    CHECK(deep->json.find(R"("list":{"y":1})") != std::string::npos);
    CHECK(json::parse(deep->json));
  }

  TEST_CASE("kinds imply a status, and entering one is stamped once") {
    const auto opened = fold("", draft("created", "{}"), kAt);
    const auto acked = fold(opened->json, draft("acknowledged", "{}"), kLater);
    REQUIRE(acked);
    CHECK(acked->json.find(R"("status":"acknowledged")") != std::string::npos);
    CHECK(acked->json.find(R"("acknowledged_at":"2026-01-01T11:00:00.000Z")") != std::string::npos);
    const auto resolved = fold(acked->json, draft("resolved", "{}"), kLater);
    REQUIRE(resolved);
    CHECK(resolved->ends);
    const auto closed = fold(resolved->json, draft("closed", "{}"), kLater);
    REQUIRE(closed);
    CHECK_FALSE(closed->ends);  // it had ended before
    const auto reopened = fold(closed->json, draft("reopened", "{}"), kLater);
    REQUIRE(reopened);
    CHECK(reopened->json.find(R"("status":"investigating")") != std::string::npos);
    CHECK(reopened->json.find("resolved_at") == std::string::npos);
    CHECK(reopened->json.find("closed_at") == std::string::npos);
    const auto stated = fold(reopened->json, draft("resolved", R"({"status":"monitoring"})"), kLater);
    REQUIRE(stated);
    CHECK(stated->json.find(R"("status":"monitoring")") != std::string::npos);
  }

  TEST_CASE("if_version guards the change") {
    const auto first = fold("", draft("created", "{}"), kAt);
    struct Row {
      std::string_view current;
      std::uint64_t if_version;
      bool ok;
    };
    for (const Row& row : {Row{"", 0, true}, Row{"", 1, false}, Row{first->json, 1, true},
                           Row{first->json, 0, false}, Row{first->json, 2, false}}) {
      CAPTURE(row.if_version);
      auto d = draft("updated", R"({"title":"x"})");
      d.if_version = row.if_version;
      const auto f = fold(row.current, d, kLater);
      CHECK(static_cast<bool>(f) == row.ok);
      if (!f) CHECK(f.error().code == Errc::conflict);
    }
  }

  TEST_CASE("members of a wrong type are refused by name") {
    struct Row {
      const char* incident;
      const char* part;
    };
    const Row rows[] = {
        {R"({"severity":"P9"})", "severity"},
        {R"({"severity":null})", "severity"},
        {R"({"status":"done"})", "status"},
        {R"({"title":7})", "title"},
        {R"({"labels":{"a":1}})", "labels"},
        {R"({"labels":[]})", "labels"},
        {R"({"assignees":"bob"})", "assignees"},
        {R"({"created_at":"now"})", "created_at"},
        {R"({"metadata":[]})", "metadata"},
        {"[]", "object"},
        {"{", "JSON at byte"},
    };
    for (const Row& row : rows) {
      CAPTURE(row.incident);
      const auto f = fold("", draft("created", row.incident), kAt);
      REQUIRE_FALSE(f);
      CHECK(f.error().code == Errc::invalid_argument);
      CHECK(f.error().detail.find(row.part) != std::string::npos);
    }
  }

  TEST_CASE("what was stored and does not parse is corrupt, not the publisher's fault") {
    const auto f = fold("{", draft("updated", "{}"), kAt);
    REQUIRE_FALSE(f);
    CHECK(f.error().code == Errc::corrupt);
  }
}

}  // namespace
}  // namespace tocsin::broker
