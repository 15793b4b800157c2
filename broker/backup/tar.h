#pragma once
// The little of the tar format that an archive of two members needs (FORMAT.md, B-1). Pure functions.
#include <cstdint>
#include <string>
#include <string_view>

#include "common/result.h"

namespace tocsin::broker::backup {

inline constexpr std::size_t kTarBlock = 512;

/// The block in front of a member of `size` bytes.
[[nodiscard]] std::string tar_header(std::string_view name, std::uint64_t size, std::int64_t modified_s);

struct TarMember {
  std::string name;
  std::uint64_t size = 0;
};
/// Fails with corrupt when `block` is no header with a right checksum, or not one of a plain file.
[[nodiscard]] Result<TarMember> parse_tar_header(std::string_view block);

/// Zeros that follow a member of `size` bytes.
[[nodiscard]] constexpr std::uint64_t tar_padding(std::uint64_t size) noexcept {
  return (kTarBlock - size % kTarBlock) % kTarBlock;
}

}  // namespace tocsin::broker::backup
