#include "common/http/message.h"

namespace tocsin::http {

std::string_view find(const Headers& headers, std::string_view name) noexcept {
  for (const auto& [key, value] : headers)
    if (key == name) return value;
  return {};
}

}  // namespace tocsin::http
