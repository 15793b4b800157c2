#pragma once
// The audit log: who asked for what, from where, and what came of it. One line in the file of
// log.audit_file; without such a file, refusals and orders of operators stand among the security lines and
// the rest is only counted. Any thread; never waits.
//
//   log::audit({.action = "subscribe", .outcome = "forbidden", .who = subject, .from = address, .what =
//   channel});
#include <string_view>

namespace tocsin::log {

/// Borrows everything for the call.
struct Audit {
  std::string_view action{};   ///< authenticate connect subscribe publish refuse ban admin revoke reload ...
  std::string_view outcome{};  ///< "ok", or the error code's name
  std::string_view who{};      ///< subject of the token, role of the operator; empty: nobody's
  std::string_view from{};     ///< address of the client
  std::string_view what{};     ///< channel, path, edge ...
  std::string_view why{};      ///< of a refusal
};

void audit(const Audit& what);
/// True when a line about something that went well would be written: for who would have to build its texts.
[[nodiscard]] bool audits_all() noexcept;

}  // namespace tocsin::log
