#pragma once
// CloseReason: why an edge ends a client's connection; code, delay and text come from the row in close.def.
#include <cstdint>
#include <span>
#include <string_view>

namespace tocsin {

enum class CloseReason : std::uint8_t {
#define CLOSE(name, code, retry_after_ms, text) name,
#include "common/close.def"
#undef CLOSE
};

struct CloseInfo {
  std::string_view name;
  std::uint16_t code;           ///< WebSocket close code
  std::int32_t retry_after_ms;  ///< -1: coming back unchanged is of no use
  std::string_view text;
};
[[nodiscard]] const CloseInfo& describe(CloseReason reason) noexcept;
/// Every reason, in the order of the enum.
[[nodiscard]] std::span<const CloseInfo> all_close_reasons() noexcept;
/// The names alone, as label values of a metric.
[[nodiscard]] std::span<const std::string_view> close_reason_names() noexcept;

}  // namespace tocsin
