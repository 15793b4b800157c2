#include "ops/cluster/problem.h"

#include "common/json/json.h"

namespace tocsin::ops {

Error problem_of(const http::Response& response) {
  Error error{Errc::internal, "HTTP status " + std::to_string(response.status)};
  const auto document = json::parse(response.body);
  if (!document) return error;
  const auto code = json::string_member(*document, "code");
  const auto detail = json::string_member(*document, "detail");
  constexpr Errc kAll[] = {
#define ERRC(name, wire_code, retry, text) Errc::name,
#include "common/errc.def"
#undef ERRC
  };
  for (const Errc known : kAll)
    if (code && *code && describe(known).name == **code) error = {known, std::string(describe(known).text)};
  if (detail && *detail && !(*detail)->empty()) error.detail = **detail;
  return error;
}

}  // namespace tocsin::ops
