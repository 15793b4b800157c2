#include "common/close.h"

#include <array>
#include <cstddef>

namespace tocsin {
namespace {
constexpr auto kTable = std::to_array<CloseInfo>({
#define CLOSE(name, code, retry_after_ms, text) {#name, code, retry_after_ms, text},
#include "common/close.def"
#undef CLOSE
});
constexpr auto kNames = std::to_array<std::string_view>({
#define CLOSE(name, code, retry_after_ms, text) #name,
#include "common/close.def"
#undef CLOSE
});
}  // namespace

const CloseInfo& describe(CloseReason reason) noexcept { return kTable[static_cast<std::size_t>(reason)]; }
std::span<const CloseInfo> all_close_reasons() noexcept { return kTable; }
std::span<const std::string_view> close_reason_names() noexcept { return kNames; }

}  // namespace tocsin
