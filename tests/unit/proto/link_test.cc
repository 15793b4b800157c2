#include "proto/link_message.h"

#include <doctest/doctest.h>

namespace tocsin::link {
namespace {

TEST_SUITE("link codec") {
  TEST_CASE("messages survive their bytes") {
    const Draft draft{"incidents",      "e1", "created", "I1", "", "bob",
                      R"({"id":"I1"})", "",   "",        3,    "", "\xff\x01 trace"};
    const auto publish = decode(encode(Publish{9, {draft}}));
    REQUIRE(publish);
    const auto& p = std::get<Publish>(*publish);
    CHECK(p.ref == 9);
    CHECK(p.drafts.at(0).incident == R"({"id":"I1"})");
    CHECK(p.drafts.at(0).if_version == 3);
    CHECK(p.drafts.at(0).trace == draft.trace);  // bytes, not text

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

  TEST_CASE("encoded session records travel together as they are") {
    std::vector<std::string> bytes;
    SessionPuts all;
    for (const std::size_t size : {std::size_t{1}, std::size_t{200}, std::size_t{20'000}}) {
      all.puts.push_back({{std::string(size, 's'), "bob", size, {}, "edge-0"}, size > 1});
      bytes.push_back(encode(all.puts.back()));
      CHECK(encode_session_puts(bytes) == encode(all));
    }
    const auto read = decode(encode_session_puts(bytes));
    REQUIRE(read);
    REQUIRE(std::get<SessionPuts>(*read).puts.size() == 3);
    CHECK(std::get<SessionPuts>(*read).puts[2].record.id.size() == 20'000);
    CHECK_FALSE(std::get<SessionPuts>(*read).puts[0].connected);
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

  TEST_CASE(
      "a newer peer may say more: unknown fields are passed over in messages, their lists and updates") {
    const auto nested = [](char key, const std::string& bytes) {
      return std::string{key, static_cast<char>(bytes.size())} + bytes;
    };
    const std::string more = std::string("\x98\x06\x07\xa2\x06\x01x\xa9\x06", 9) + std::string(8, '\1') +
                             std::string("\xad\x06", 2) + std::string(4, '\2');
    const auto publish = decode(nested('\x22', more + nested('\x12', more + nested('\x12', "e1") + more)));
    REQUIRE(publish);
    REQUIRE(std::get<Publish>(*publish).drafts.size() == 1);
    CHECK(std::get<Publish>(*publish).drafts[0].event_id == "e1");
    const auto update =
        decode_update({3, std::make_shared<const std::string>(more + nested('\x0a', "e1") + more)});
    REQUIRE(update);
    CHECK(update->event_id == "e1");
  }

  TEST_CASE("broken bytes inside a message are refused with it") {
    CHECK_FALSE(decode("\x22\x03\x12\x05x"));  // a draft longer than its message
    CHECK_FALSE(decode("\x22\x02\x12\x7f"));
    CHECK_FALSE(decode("\x22\x05\x12\x03\x12\x01\xff"));  // an event_id that is not UTF-8
    CHECK_FALSE(decode_update({1, std::make_shared<const std::string>("\x0a\x01\xff")}));
    CHECK_FALSE(decode(std::string("\x22\x02\x08\xff", 4)));  // a varint without its end
    CHECK_FALSE(decode_update({1, std::make_shared<const std::string>("\x0a\x05x")}));
    CHECK_FALSE(event_id_of("\x0a\x05x"));
  }

  TEST_CASE("bytes that are no message are refused") {
    CHECK_FALSE(decode(""));
    CHECK_FALSE(decode("\xff\xff\xff"));
    CHECK_FALSE(decode(std::string(100, 'x')));
  }
}

}  // namespace
}  // namespace tocsin::link
