#include "common/json/raw_object.h"

#include <doctest/doctest.h>

#include "common/json/json.h"

namespace tocsin::json {
namespace {

TEST_SUITE("common.json.raw_object") {
  TEST_CASE("an object falls into its members and is put together again") {
    const std::string source = R"({"a":1,"b\"":"x,}\"]","c":{"d":[1,{"e":"]"}],"f":{}},"":[],"z":null})";
    auto object = split_object(source);
    REQUIRE(object);
    REQUIRE(object->size() == 5);
    CHECK((*object)[1].name == R"(b\")");
    CHECK(find(*object, "c")->value == R"({"d":[1,{"e":"]"}],"f":{}})");
    CHECK(find(*object, "")->value == "[]");
    CHECK(find(*object, "d") == nullptr);
    std::string back;
    append_object(back, *object);
    CHECK(back == source);
    CHECK(split_object("{}")->empty());
  }

  TEST_CASE("what does not fall into members is noticed") {
    for (const char* text :
         {"", "{", "}", "[]", "1", "{\"a\"}", "{\"a\":}", "{\"a\":1", "{\"a\":1,}", "{\"a\":[1}",
          "{\"a\":\"x}", "{\"a\":1}}", "{a:1}", "{\"a\" :1}", "{\"a\":1}{\"b\":2}", "{\"a\":\"\\\"}"}) {
      CAPTURE(text);
      CHECK_FALSE(split_object(text));
    }
  }

  TEST_CASE("every cut of a text is refused") {
    const std::string source = R"({"a":1,"b":{"c":["x\\","y"]},"d":"\u0001"})";
    REQUIRE(split_object(source));
    for (std::size_t n = 0; n < source.size(); ++n)
      CHECK_FALSE(split_object(std::string_view(source).substr(0, n)));
  }
}

}  // namespace
}  // namespace tocsin::json
