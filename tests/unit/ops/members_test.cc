// Edges that others run: what an operator may give as their addresses, which of them are known and for how
// long, and what one supervisor leaves to the next.
#include <doctest/doctest.h>

#include "ops/supervisor/members/address.h"
#include "ops/supervisor/members/notes.h"
#include "ops/supervisor/members/roster.h"

namespace tocsin::ops::members {
namespace {

using Named = std::map<std::string, std::string>;

const std::string kA = "http://10.0.0.3:8080", kB = "http://10.0.0.4:8080";

/// A name of two edges, looked up and asked.
Roster two() {
  Roster roster;
  roster.configure(*parse_addresses({"edge:8080"}));
  roster.found("edge:8080", Roster::Urls{kA, kB});
  roster.heard(kA, "a", 1);
  roster.heard(kB, "b", 1);
  return roster;
}

bool silent(const std::string& /*url*/) { return false; }

TEST_CASE("an address is a host and a port, with or without a scheme") {
  const auto got =
      parse_addresses({"edge:8080", "http://10.0.0.3:81/", "https://e-1.example.com:8443", "[::1]:8080"});
  REQUIRE(got);
  REQUIRE(got->size() == 4);
  CHECK((*got)[0].url("10.0.0.9") == "http://10.0.0.9:8080");
  CHECK((*got)[0].many());
  CHECK((*got)[1].url((*got)[1].host) == "http://10.0.0.3:81");
  CHECK((*got)[2].url((*got)[2].host) == "https://e-1.example.com:8443");
  CHECK_FALSE((*got)[2].many());
  CHECK((*got)[3].url((*got)[3].host) == "http://[::1]:8080");
  CHECK(parse_addresses({"edge:8080", "http://edge:8080"})->size() == 1);
}

TEST_CASE("what is no address is refused by name") {
  for (const std::string item :
       {"edge", "", ":8080", "edge:", "edge:0", "edge:65536", "edge:80x", "ftp://edge:8080",
        "http://edge:8080/path", "a b:80", "[::1]", "::1:80", "http://user@edge:80", "https://edge"}) {
    CAPTURE(item);
    const auto got = parse_addresses({item});
    REQUIRE_FALSE(got);
    CHECK(got.error().code == Errc::invalid_argument);
    CHECK(got.error().detail.starts_with("members.edges: \"" + item + "\""));
  }
  CHECK(parse_addresses({}).error().detail.starts_with("members.edges is empty"));
}

TEST_CASE("an edge's name is what it says, if it can be part of a path") {
  CHECK(fits_edge("edge-0"));
  CHECK(fits_edge("3f2a9c0d11ee"));
  for (const std::string name : {"", "../x", "a/b", ".", ".x", "a b", "a\n", "\xc3\xa4"}) {
    CAPTURE(name);
    CHECK_FALSE(fits_edge(name));
  }
  CHECK_FALSE(fits_edge(std::string(129, 'a')));
}

TEST_CASE("an edge that vanishes is forgotten after a while, one that answers is not") {
  Roster roster = two();
  CHECK(roster.edges() == Named{{"a", kA}, {"b", kB}});
  roster.found("edge:8080", Roster::Urls{kA});
  Instant now{};
  CHECK(roster.tick(now, [](const std::string&) { return true; }).empty());
  CHECK(roster.tick(now += Roster::kForget * 2, [](const std::string&) { return true; }).empty());
  CHECK(roster.edges().size() == 2);
  CHECK(roster.tick(now, silent).empty());
  CHECK(roster.tick(now + Roster::kForget - Millis{1}, silent).empty());
  CHECK(roster.tick(now + Roster::kForget, silent) == std::vector<std::string>{"b"});
  CHECK(roster.edges() == Named{{"a", kA}});
}

TEST_CASE("a lookup that fails for now changes nothing, a name without addresses has no edges") {
  Roster roster = two();
  roster.found("edge:8080", Error{Errc::unavailable, "temporary failure"});
  CHECK(roster.tick(Instant{} + Roster::kForget * 3, silent).empty());
  CHECK(roster.edges().size() == 2);
  CHECK(roster.troubles().at("edge:8080").find("temporary failure") != std::string::npos);
  roster.found("edge:8080", Error{Errc::not_found, "the name has no address"});
  CHECK(roster.tick(Instant{}, silent).empty());
  CHECK(roster.tick(Instant{} + Roster::kForget, silent).size() == 2);
  CHECK(roster.synced());
}

TEST_CASE("before every name was looked up nobody is missed") {
  Roster roster;
  roster.remember({{kA, "a"}, {"http://10.0.0.9:8080", "../bad"}});
  roster.configure(*parse_addresses({"edge:8080", "other:8080"}));
  CHECK_FALSE(roster.synced());
  roster.found("edge:8080", Roster::Urls{kB});
  CHECK(roster.tick(Instant{} + Roster::kForget * 3, silent).empty());
  CHECK(roster.edges() == Named{{"a", kA}});
  roster.found("other:8080", Error{Errc::not_found, "the name has no address"});
  CHECK_FALSE(roster.synced());  // it never had one: a slip of the pen, or it comes yet
  roster.found("other:8080", Roster::Urls{});
  CHECK(roster.synced());
}

TEST_CASE("an edge that was started again elsewhere is one edge") {
  Roster roster = two();
  const std::string moved = "http://10.0.0.5:8080";
  roster.found("edge:8080", Roster::Urls{kA, moved});
  roster.heard(moved, "b", 2);
  CHECK(roster.edges() == Named{{"a", kA}, {"b", moved}});
  CHECK(roster.seats().size() == 2);
}

TEST_CASE("two addresses of one process are one edge, two processes of one name are a trouble") {
  Roster roster = two();
  roster.heard(kB, "a", 1);
  CHECK(roster.edges() == Named{{"a", kA}});
  CHECK(roster.troubles().empty());
  roster.heard(kB, "a", 2);
  CHECK(roster.edges() == Named{{"a", kA}});
  CHECK(roster.troubles().at(kB).find("edge.id") != std::string::npos);
}

TEST_CASE("an address that was taken away is forgotten at once") {
  Roster roster;
  roster.configure(*parse_addresses({"10.0.0.3:8080", "10.0.0.4:8080"}));
  roster.found("10.0.0.3:8080", Roster::Urls{kA});
  roster.found("10.0.0.4:8080", Roster::Urls{kB});
  roster.heard(kA, "a", 1);
  roster.heard(kB, "b", 1);
  roster.configure(*parse_addresses({"10.0.0.4:8080"}));
  CHECK(roster.edges() == Named{{"b", kB}});
  roster.found("10.0.0.3:8080", Roster::Urls{kA});  // an answer that was on its way
  CHECK(roster.seats().size() == 1);
}

TEST_CASE("notes read back, and nothing else does") {
  Notes notes;
  notes.edges = {{kA, "a"}};
  notes.cordoned = {"a", "gone"};
  notes.maintenance = true;
  CHECK(*Notes::parse(notes.to_json()) == notes);
  CHECK(*Notes::parse(Notes{}.to_json()) == Notes{});
  for (const char* text :
       {"", "[]", "{}", R"({"edges":{},"maintenance":1})", R"({"edges":[],"maintenance":true})",
        R"({"edges":{"x":1},"maintenance":true})", R"({"edges":{},"cordoned":[1],"maintenance":true})"}) {
    CAPTURE(text);
    CHECK_FALSE(Notes::parse(text));
  }
}

}  // namespace
}  // namespace tocsin::ops::members
