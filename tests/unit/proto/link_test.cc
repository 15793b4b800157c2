#include "proto/link_message.h"

#include <doctest/doctest.h>

namespace tocsin::link {
namespace {

TEST_SUITE("link codec") {
  TEST_CASE("messages survive their bytes") {
    const Draft draft{"incidents", "e1", "created", "I1", "", "bob", R"({"id":"I1"})", "", "", 3};
    const auto publish = decode(encode(Publish{9, {draft}}));
    REQUIRE(publish);
    const auto& p = std::get<Publish>(*publish);
    CHECK(p.ref == 9);
    CHECK(p.drafts.at(0).incident == R"({"id":"I1"})");
    CHECK(p.drafts.at(0).if_version == 3);

    const auto body = std::make_shared<const std::string>("bytes");
    const auto updates = decode(encode(Updates{"c", Epoch{5}, {{1, body}, {2, body}}}));
    REQUIRE(updates);
    CHECK(std::get<Updates>(*updates).records.at(1).offset == 2);
    CHECK(*std::get<Updates>(*updates).records.at(1).bytes == "bytes");

    PublishOutcome refused;
    refused.fault = fault_of(Error{Errc::conflict, "version 4"});
    const auto result = decode(encode(PublishResult{9, {refused}}));
    REQUIRE(result);
    CHECK(error_of(std::get<PublishResult>(*result).outcomes.at(0).fault).code == Errc::conflict);
  }

  TEST_CASE("an update keeps every member") {
    Update u;
    u.offset = 7;
    u.event_id = "e";
    u.kind = "resolved";
    u.key = "I";
    u.changed = {"status", "title"};
    u.incident = "{}";
    u.ends = true;
    const auto bytes = std::make_shared<const std::string>(encode_update(u));
    const auto back = decode_update({7, bytes});
    REQUIRE(back);
    CHECK(update_members_json(*back) == update_members_json(u));
    CHECK(back->ends);
    CHECK(*event_id_of(*bytes) == "e");
  }

  TEST_CASE("bytes that are no message are refused") {
    CHECK_FALSE(decode(""));
    CHECK_FALSE(decode("\xff\xff\xff"));
    CHECK_FALSE(decode(std::string(100, 'x')));
  }
}

}  // namespace
}  // namespace tocsin::link
