#pragma once
// A draft as the JSON of a publish (protocol section 2), for the way over HTTP. Pure function.
#include <string>

#include "proto/update.h"

namespace tocsin::ops {

[[nodiscard]] std::string draft_json(const Draft& draft);

}  // namespace tocsin::ops
