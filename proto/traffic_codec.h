#pragma once
// The messages that make up the link's traffic - Publish, PublishResult, Updates - read without protobuf's
// objects; the rest goes through them. Internal to proto. Pure functions; any thread.
#include <optional>
#include <string_view>

#include "proto/link_message.h"

namespace tocsin::link {

/// nullopt when `bytes` are none of these messages.
[[nodiscard]] std::optional<Result<Message>> decode_traffic(std::string_view bytes);

}  // namespace tocsin::link
