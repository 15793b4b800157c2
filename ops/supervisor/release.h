#pragma once
// Release: what a process is started from. A rolling restart gives every process another one. Values.
#include <cstdint>
#include <string>

#include "common/json/json.h"
#include "common/result.h"

namespace tocsin::ops {

struct Release {
  std::string programs;        ///< folder of the programs
  std::string config_file;     ///< handed to every program; empty: none
  std::string config_hash;     ///< of what the file said when this release was made
  std::uint64_t revision = 1;  ///< what edges call themselves: clients go from older ones to newer ones only

  bool operator==(const Release&) const = default;
  [[nodiscard]] std::string to_json() const;
  /// Fails with invalid_argument.
  [[nodiscard]] static Result<Release> parse(const json::Value& value);
};

/// What `path` says, in short; empty for no path or no such file.
[[nodiscard]] std::string hash_of_file(const std::string& path);

}  // namespace tocsin::ops
