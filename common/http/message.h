#pragma once
// Request and response of the processes' own HTTP: administration, health, metrics, and tocsinctl asking for
// them. Bodies are whole and bounded. Values; any thread.
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/result.h"

namespace tocsin::http {

using Headers = std::vector<std::pair<std::string, std::string>>;  ///< names in lower case

/// The first value of `name` (lower case), or an empty view.
[[nodiscard]] std::string_view find(const Headers& headers, std::string_view name) noexcept;

struct Request {
  std::string method;
  std::string path;   ///< percent-decoded, without the query
  std::string query;  ///< after '?', raw
  Headers headers;    ///< authorization, content-type, accept, host and x-forwarded-for, where sent
  std::string body;
  bool local = false;  ///< from this host, neither through a proxy nor by a browser on behalf of another site
};

struct Response {
  std::uint16_t status = 200;
  std::string content_type = "application/json";
  Headers headers;
  std::string body;
};

/// A refusal as problem+json: code, status, detail, retry.
[[nodiscard]] Response problem(const Error& error);

}  // namespace tocsin::http
