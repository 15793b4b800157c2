#pragma once
// Checks: what a process finds when it looks at itself, and how its /health tells it. Every program answers
// in these words:
//
//   {"status":"ready"}
//   {"status":"not_ready","reason":R,"reasons":[R, ...]}         503 where it counts
//   ... ,"checks":[{"check":NAME,"ok":BOOL,"detail":R}, ...]     with ?detailed=true
//
// Values and pure functions; any thread.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tocsin::health {

/// What trouble does: nothing but be told, or turn /health/ready to 503, or /health as well.
enum class Counts : std::uint8_t { nowhere, ready, health };

struct Check {
  std::string name;
  std::string trouble{};  ///< a sentence; empty: none
  Counts counts = Counts::ready;
};
using Checks = std::vector<Check>;

[[nodiscard]] bool ready(const Checks& checks) noexcept;
[[nodiscard]] bool healthy(const Checks& checks) noexcept;
/// The members "reason" and "reasons", each after a comma: troubles that count. Nothing when ready.
void append_reasons(std::string& out, const Checks& checks);
/// The member "checks", after a comma.
void append_checks(std::string& out, const Checks& checks);
/// Does the part of a URL after '?' ask for each check?
[[nodiscard]] bool detailed(std::string_view query) noexcept;

}  // namespace tocsin::health
