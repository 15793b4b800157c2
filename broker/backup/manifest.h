#pragma once
// Manifest: what a backup says of itself (FORMAT.md, B-3). Values; any thread.
#include <cstdint>
#include <string>
#include <string_view>

#include "common/result.h"

namespace tocsin::broker::backup {

inline constexpr std::uint64_t kFormatVersion = 1;
inline constexpr std::string_view kFormatName = "tocsin-backup";

struct Manifest {
  std::uint64_t version = kFormatVersion;
  std::int64_t created_ms = 0;  ///< wall clock; decides nothing
  std::string cluster;
  std::string program;
  std::int64_t schema = 0;
  std::uint64_t commits = 0;
  std::uint64_t channels = 0;
  std::uint64_t updates = 0;
  std::uint64_t incidents = 0;
  std::uint64_t sessions = 0;
  std::uint64_t took_ms = 0;
  std::uint64_t bytes = 0;      ///< of rows.zst
  std::uint64_t raw_bytes = 0;  ///< of the rows before compression
  std::string sha256;           ///< of rows.zst, in hexadecimal

  [[nodiscard]] std::string to_json() const;
  /// Fails with corrupt, or newer_schema for a version above kFormatVersion.
  [[nodiscard]] static Result<Manifest> parse(std::string_view json);
};

}  // namespace tocsin::broker::backup
