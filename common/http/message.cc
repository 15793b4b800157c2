#include "common/http/message.h"

#include "common/json/json.h"

namespace tocsin::http {

std::string_view find(const Headers& headers, std::string_view name) noexcept {
  for (const auto& [key, value] : headers)
    if (key == name) return value;
  return {};
}

Response problem(const Error& error) {
  const ErrcInfo& info = describe(error.code);
  Response response;
  response.status = info.wire_code;
  response.content_type = "application/problem+json";
  response.body = "{\"code\":" + json::quoted(info.name) + ",\"status\":" + std::to_string(info.wire_code) +
                  ",\"detail\":" + json::quoted(error.detail) +
                  ",\"retry\":" + (info.retry == Retry::never ? "\"never\"" : "\"backoff\"") + "}";
  return response;
}

}  // namespace tocsin::http
