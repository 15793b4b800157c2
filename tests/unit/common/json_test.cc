#include "common/json/json.h"

#include <doctest/doctest.h>

namespace tocsin::json {
namespace {

std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

TEST_SUITE("common.json") {
  TEST_CASE("input nests to the limit and no deeper") {
    CHECK(parse(nested(kMaxDepth)));
    const auto deeper = parse(nested(kMaxDepth + 1));
    REQUIRE_FALSE(deeper);
    CHECK(deeper.error().code == Errc::invalid_argument);
    CHECK_FALSE(parse(std::string(1'000'000, '[')));
  }

  TEST_CASE("the error names the byte") {
    const auto bad = parse(R"({"a":1,)");
    REQUIRE_FALSE(bad);
    CHECK(bad.error().detail.find("JSON at byte 7") != std::string::npos);
  }

  TEST_CASE("one value, nothing after it, no broken text") {
    for (const auto* text :
         {"", " ", "1 2", "{}x", "nul", "'a'", "{\"a\"}", "[1,]", "\"\xff\"", "\"\xc0\xaf\"",
          "\"\xed\xa0\x80\"", "\"\\ud800\"", "\"\n\"", "01", "+1", "NaN", "Infinity"}) {
      CAPTURE(text);
      CHECK_FALSE(parse(text));
    }
    CHECK_FALSE(parse(std::string_view("1\0", 2)));
    CHECK(parse(" {\"a\":[1,2.5,null,true,\"\\u00e9\"]} \n"));
  }

  TEST_CASE("valid_utf8 accepts exactly well-formed UTF-8") {
    for (const auto* good : {"", "a", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xef\xbf\xbf",
                             "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "caf\xc3\xa9"}) {
      CAPTURE(good);
      CHECK(valid_utf8(good));
    }
    for (const auto* bad :
         {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x80\x80", "\xe0\x9f\xbf",
          "\xed\xa0\x80", "\xed\xbf\xbf", "\xe1\x80", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf",
          "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "a\xf0\x90\x80", "\xe1\x80\xc0"}) {
      CAPTURE(std::string(bad));
      CHECK_FALSE(valid_utf8(bad));
    }
  }

  TEST_CASE("typed members tell absent from wrong") {
    const auto doc = parse(R"({"s":"x","n":7,"b":true,"z":null,"neg":-1,"f":1.5})");
    REQUIRE(doc);
    CHECK(**string_member(*doc, "s") == "x");
    CHECK(**uint_member(*doc, "n") == 7);
    CHECK(**bool_member(*doc, "b"));
    CHECK_FALSE(*string_member(*doc, "absent"));
    CHECK_FALSE(*string_member(*doc, "z"));
    CHECK_FALSE(string_member(*doc, "n"));
    CHECK_FALSE(uint_member(*doc, "neg"));
    CHECK_FALSE(uint_member(*doc, "f"));
    CHECK_FALSE(bool_member(*doc, "n"));
    CHECK(find(doc->FindMember("n")->value, "x") == nullptr);
  }

  TEST_CASE("what is quoted parses back to the same bytes") {
    std::string all;
    for (int c = 0; c < 128; ++c) all.push_back(static_cast<char>(c));
    all += "caf\xc3\xa9 \xf0\x9f\x94\x94";
    const auto doc = parse(quoted(all));
    REQUIRE(doc);
    CHECK(view(*doc) == all);
  }

  TEST_CASE("text() keeps members, order and values") {
    const std::string source =
        R"({"b":[1,-2,1.5,18446744073709551615],"a":{"x":null,"y":false},"t":"\u0001\"\\"})";
    const auto doc = parse(source);
    REQUIRE(doc);
    CHECK(text(*doc) == source);
  }

  TEST_CASE("what could not be written again is refused: half a surrogate pair, a number beyond a double") {
    for (const char* bad : {R"("\ude00")", R"({"\udfff":1})", R"("\u00e9\ude00")", "3e308", "7693e308",
                            "[1e999]", "-76931348623157e308"}) {
      CAPTURE(std::string(bad));
      CHECK_FALSE(parse(bad));
    }
    CHECK(parse(R"("\ud83d\ude00")"));
    CHECK(text(*parse("[1.7976931348623157e308,5e-324,1e-999,-0.0,0.1]")) ==
          "[1.7976931348623157e308,5e-324,0.0,-0.0,0.1]");
    CHECK(parse("\"\xed\x9f\xbf\""));  // U+D7FF, the last before the surrogates
  }
}

}  // namespace
}  // namespace tocsin::json
