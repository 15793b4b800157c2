#pragma once
// What /admin/revoke and /admin/revocations say and are told. Pure functions; any thread.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "proto/link_message.h"

namespace tocsin::edge {

/// {"token_ids":["..."],"subjects":["..."],"until":1760000000} or "for_s": at least one name; the end in
/// seconds, 30 days from now when it is not said. A subject's tokens are revoked that were issued up to now.
/// Fails with invalid_argument, naming the member.
[[nodiscard]] Result<std::vector<link::Revocation>> parse_revoke(std::string_view body, std::int64_t now_ms);

[[nodiscard]] std::string revocations_json(const std::vector<link::Revocation>& revocations);

}  // namespace tocsin::edge
