#include <doctest/doctest.h>

#include "common/health/checks.h"
#include "common/json/json.h"

namespace tocsin::health {
namespace {

TEST_CASE("what counts where, and how it is told") {
  Checks checks{{"log", "", Counts::ready}, {"backup", "old \"one\"", Counts::nowhere}};
  std::string out = "{\"a\":1";
  append_reasons(out, checks);
  CHECK(out == "{\"a\":1");
  CHECK(ready(checks));
  checks.push_back({"disk", "full", Counts::ready});
  CHECK_FALSE(ready(checks));
  CHECK(healthy(checks));
  checks.push_back({"state", "leaving", Counts::health});
  CHECK_FALSE(healthy(checks));
  append_reasons(out, checks);
  append_checks(out, checks);
  out += "}";
  CHECK(out ==
        R"({"a":1,"reason":"full","reasons":["full","leaving"],"checks":[{"check":"log","ok":true},)"
        R"({"check":"backup","ok":false,"detail":"old \"one\""},{"check":"disk","ok":false,"detail":"full"},)"
        R"({"check":"state","ok":false,"detail":"leaving"}]})");
  CHECK(json::parse(out));
  out.clear();
  append_checks(out, {});
  CHECK(out == R"(,"checks":[])");
}

TEST_CASE("who asks for the details") {
  for (const char* yes : {"detailed", "detailed=true", "detailed=1", "a=b&detailed=true", "detailed=&x"})
    CHECK_MESSAGE(detailed(yes), yes);
  for (const char* no : {"", "&&", "detailed=false", "detailed=0", "detailedly=true", "x=detailed", "detail"})
    CHECK_MESSAGE(!detailed(no), no);
}

}  // namespace
}  // namespace tocsin::health
