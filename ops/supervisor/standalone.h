#pragma once
// What a supervisor needs that does not start the processes itself: where it listens, by which name it is
// known, and the token that edges and its own admin API ask for. Start-up and reloads; blocking for moments.
#include <cstdint>
#include <string>

#include "common/result.h"
#include "ops/cluster/folder.h"
#include "ops/supervisor/config.h"

namespace tocsin::ops {

struct Endpoint {
  std::string host;
  std::uint16_t port = 0;

  [[nodiscard]] bool everywhere() const { return host == "0.0.0.0" || host == "*" || host == "[::]"; }
};
/// supervisor.listen in its parts. Fails with invalid_argument.
[[nodiscard]] Result<Endpoint> parse_listen(const std::string& text);

[[nodiscard]] std::string host_name();  ///< "supervisor" where the host has none

/// admin.token_file, or the folder's.
[[nodiscard]] std::string admin_token_file(const Config& config, const Folder& folder);
/// What is in it; in the folder it is made when there is none. Fails with io, or invalid_argument (empty).
[[nodiscard]] Result<std::string> admin_token(const Config& config, const Folder& folder);

}  // namespace tocsin::ops
