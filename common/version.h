#pragma once
#include <string_view>

namespace tocsin {

/// The version in the top meson.build.
[[nodiscard]] std::string_view version() noexcept;

}  // namespace tocsin
