#include "ops/supervisor/standalone.h"

#include <unistd.h>

#include <array>
#include <charconv>

#include "common/file.h"
#include "ops/supervisor/keys.h"

namespace tocsin::ops {

Result<Endpoint> parse_listen(const std::string& text) {
  const auto colon = text.rfind(':');
  Endpoint out;
  if (colon != std::string::npos) {
    out.host = text.substr(0, colon);
    const char* end = text.data() + text.size();
    const auto [rest, failed] = std::from_chars(text.data() + colon + 1, end, out.port);
    if (failed == std::errc{} && rest == end && !out.host.empty()) return out;
  }
  return Error{Errc::invalid_argument, "supervisor.listen must be host:port, not \"" + text + "\""};
}

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "supervisor";
}

std::string admin_token_file(const Config& config, const Folder& folder) {
  return config.admin_token_file.empty() ? folder.token_file() : config.admin_token_file;
}

Result<std::string> admin_token(const Config& config, const Folder& folder) {
  if (config.admin_token_file.empty())
    if (auto made = ensure_token(folder); !made) return made.error();
  return read_secret(admin_token_file(config, folder));
}

}  // namespace tocsin::ops
