#pragma once
// problem+json, read back. Pure.
#include "common/http/message.h"
#include "common/result.h"

namespace tocsin::ops {

/// What a problem+json body says, as an Error; for any other body one that names the HTTP status.
[[nodiscard]] Error problem_of(const http::Response& response);

}  // namespace tocsin::ops
