#include "tests/checker/verdict.h"

#include <array>
#include <utility>

#include "common/json/json.h"

namespace tocsin::checker {
namespace {

using Row = std::pair<std::string_view, std::uint64_t>;

std::array<Row, 12> rows(const Verdict& v) {
  return {{{"lines", v.lines},
           {"clients", v.clients},
           {"sockets", v.sockets},
           {"updates", v.updates},
           {"skipped", v.skipped},
           {"replaced", v.replaced},
           {"snapshots", v.snapshots},
           {"resumed", v.resumed},
           {"lost", v.lost},
           {"positions", v.positions},
           {"acked", v.acked},
           {"unobserved", v.unobserved}}};
}

std::string where(const Violation& v) {
  return v.line == 0 ? "at the end" : "line " + std::to_string(v.line);
}

}  // namespace

void Findings::report(std::string_view clause, std::string text) {
  ++verdict_.violations;
  ++verdict_.by_clause[std::string(clause)];
  if (verdict_.first.size() < keep_) verdict_.first.push_back({std::string(clause), std::move(text), line_});
}

std::string to_text(const Verdict& verdict) {
  std::string out = verdict.holds() ? "the promise holds:" : "the promise is BROKEN:";
  for (const auto& [name, n] : rows(verdict))
    if (n > 0) out += " " + std::to_string(n) + " " + std::string(name);
  out += "\n";
  for (const auto& [clause, n] : verdict.by_clause) out += "  " + std::to_string(n) + " x " + clause + "\n";
  for (const Violation& v : verdict.first) out += "  [" + v.clause + ", " + where(v) + "] " + v.text + "\n";
  return out;
}

std::string to_json(const Verdict& verdict) {
  std::string out = std::string("{\"ok\":") + (verdict.holds() ? "true" : "false");
  for (const auto& [name, n] : rows(verdict)) out += ",\"" + std::string(name) + "\":" + std::to_string(n);
  out += ",\"violations\":" + std::to_string(verdict.violations) + ",\"by_clause\":{";
  for (bool comma = false; const auto& [clause, n] : verdict.by_clause) {
    out += (std::exchange(comma, true) ? ",\"" : "\"") + clause + "\":" + std::to_string(n);
  }
  out += "},\"first\":[";
  for (bool comma = false; const Violation& v : verdict.first) {
    out += std::exchange(comma, true) ? ",{" : "{";
    out += "\"clause\":\"" + v.clause + "\",\"line\":" + std::to_string(v.line) +
           ",\"text\":" + json::quoted(v.text) + "}";
  }
  return out + "]}";
}

}  // namespace tocsin::checker
