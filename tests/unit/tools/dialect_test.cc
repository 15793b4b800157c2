#include "tools/loadgen/dialect.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tools/loadgen/stream_check.h"

using namespace tocsin::loadgen;

namespace {

class Seen final : public Sink {
 public:
  void subscribed() override { ++subscriptions; }
  void delivery(std::string_view payload) override { told.emplace_back(payload); }
  void acknowledged(std::uint64_t due_us) override { due = due_us; }
  void refused() override { ++refusals; }
  void reply(std::uint8_t, std::string_view bytes) override { replies.emplace_back(bytes); }

  std::vector<std::string> told;
  std::vector<std::string> replies;
  int subscriptions = 0;
  int refusals = 0;
  std::uint64_t due = 0;
};

std::string field(int number, const std::string& bytes) {
  return std::string{static_cast<char>(number << 3 | 2), static_cast<char>(bytes.size())} + bytes;
}
std::string field(int number, int value) {
  return {static_cast<char>(number << 3), static_cast<char>(value)};
}

}  // namespace

TEST_CASE("a message torn over two is handed on once and whole") {
  for (const auto& [name, bytes] : std::vector<std::pair<std::string, std::string>>{
           {"nats", "MSG load 1 7\r\n{\"n\":1}\r\nPING\r\n"},
           {"redis", "*3\r\n$7\r\nmessage\r\n$4\r\nload\r\n$7\r\n{\"n\":1}\r\n"},
           {"mqtt", std::string("\x30\x0d\0\x04load{\"n\":1}", 15)}}) {
    CAPTURE(name);
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
      const auto dialect = make_dialect(name, {"load", "{}"});
      Seen seen;
      dialect->take(std::string_view(bytes).substr(0, cut), seen);
      dialect->take(std::string_view(bytes).substr(cut), seen);
      REQUIRE(seen.told == std::vector<std::string>{R"({"n":1})"});
    }
  }
}

TEST_CASE("tocsin.v1.proto says what the judge of tocsin.v1.json understands") {
  const auto dialect = make_dialect("tocsin-proto", {"load", "{}"});
  Seen seen;
  StreamCheck check;
  Totals totals;
  const auto say = [&](int number, const std::string& inner) { dialect->take(field(number, inner), seen); };
  say(2, field(1, "a") + field(2, 7) + field(4, std::string("\x09") + std::string(8, '\1') + field(2, 3)) +
             field(5, "live"));
  say(4, field(1, 7) + field(2, 4) + field(12, field(1, "load") + field(2, R"({"t":55,"n":1})")));
  say(5, field(1, 7) + field(2, 5) + field(3, 6));
  say(4, field(1, 7) + field(2, 9) + field(3, std::string("\x07\x08")) + field(4, 1));
  for (const auto& line : seen.told) check.take(line, totals);
  check.finish(totals);
  CHECK(seen.subscriptions == 1);
  CHECK(number_member(seen.told[1], "\"t\"", 0) == 55);
  CHECK(totals.updates == 2);
  CHECK(totals.skipped == 2);
  CHECK(totals.conflated == 2);
  CHECK(totals.gaps + totals.duplicates == 0);
  say(7, field(1, "1234"));
  CHECK(seen.due == 1234);
  say(9, field(1, "overloaded"));
  CHECK(seen.refusals == 1);
  dialect->take("\x22\xff", seen);  // no message at all
  CHECK(seen.told.size() == 4);
}
