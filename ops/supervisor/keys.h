#pragma once
// The cluster's secrets, made once and kept: CURVE key pairs (keys/<name>.json, 0600), the allow-list of
// those that may connect to the broker (keys/allow/<name>.pub), and the admin API's bearer token. Start-up;
// blocking.
#include <string>

#include "common/result.h"
#include "ops/cluster/folder.h"

namespace tocsin::ops {

/// The public key of `name`; makes the pair if there is none. The broker's public key lies beside the
/// allow-list, not in it. Fails with io, forbidden (others may read the secret), or invalid_argument (no key
/// in the file).
[[nodiscard]] Result<std::string> ensure_keys(const Folder& folder, const std::string& name);

/// The bearer token; made when there is none. Fails with io.
[[nodiscard]] Result<std::string> ensure_token(const Folder& folder);

}  // namespace tocsin::ops
