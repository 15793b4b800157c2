// proto/corpus keeps the bytes of every version of the link that was ever in use; they must stay readable.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "proto/link_message.h"

namespace tocsin::link {
namespace {

std::string read_file(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

TEST_SUITE("link corpus") {
  TEST_CASE("the bytes of every version decode to the same messages, and are still what we write") {
    std::set<std::size_t> kinds;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(TOCSIN_CORPUS)) {
      if (entry.is_directory()) continue;
      CAPTURE(entry.path().string());
      const std::string bytes = read_file(entry.path());
      const auto message = decode(bytes);
      REQUIRE(message);
      kinds.insert(message->index());
      CHECK(encode(*message) == bytes);
      for (std::size_t cut = 1; cut < bytes.size();
           ++cut) {  // a cut one is refused, or is another whole message: never a crash
        const auto part = decode(std::string_view(bytes).substr(0, cut));
        if (part) CHECK(decode(encode(*part)));
      }
    }
    CHECK(kinds.size() == std::variant_size_v<Message>);
  }

  TEST_CASE("a stored update of the first version keeps every member") {
    const auto message = decode(read_file(TOCSIN_CORPUS "/v1/updates.bin"));
    REQUIRE(message);
    const auto& updates = std::get<Updates>(*message);
    const auto incident = decode_update(updates.records.at(0));
    const auto event = decode_update(updates.records.at(1));
    REQUIRE(incident);
    REQUIRE(event);
    CHECK(incident->offset == 17);
    CHECK(incident->changed == std::vector<std::string>{"status", "resolved_at"});
    CHECK(incident->ends);
    CHECK(event->event_name == "deploy");
    CHECK(event->event_data == R"({"version":[1,2]})");
  }
}

}  // namespace
}  // namespace tocsin::link
