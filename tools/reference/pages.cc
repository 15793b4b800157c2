#include "tools/reference/pages.h"

#include <algorithm>
#include <string_view>

#include "broker/metrics.h"
#include "common/close.h"
#include "common/log/metrics.h"
#include "common/metrics/process.h"
#include "common/result.h"
#include "common/trace/metrics.h"
#include "edge/metrics.h"
#include "ops/settings/settings.h"
#include "ops/supervisor/metrics.h"

namespace tocsin::reference {
namespace {

constexpr std::string_view kNotice = "Written by `tools/dev reference` from the code; do not edit.\n\n";

std::string_view name(metrics::Kind kind) {
  switch (kind) {
    case metrics::Kind::counter:
      return "counter";
    case metrics::Kind::gauge:
      return "gauge";
    case metrics::Kind::histogram:
      break;
  }
  return "histogram";
}

std::string_view next_step(Retry retry) {
  switch (retry) {
    case Retry::never:
      return "do not repeat it unchanged";
    case Retry::backoff:
      return "repeat it later, waiting longer each time";
    case Retry::resync:
      break;
  }
  return "take a snapshot and go on from its position";
}

struct Program {
  std::string_view name;
  std::vector<metrics::Description> metrics;
};

template <typename Metrics>
Program program(std::string_view name) {
  metrics::Registry registry;
  const Metrics owner(registry);
  return {name, registry.descriptions()};
}

template <typename Own>
struct WithTraces {
  explicit WithTraces(metrics::Registry& registry) : own(registry), traces(registry) {}
  Own own;
  trace::Metrics traces;
};

/// What every program tells of itself.
struct Common {
  explicit Common(metrics::Registry& registry) : process(registry), logs(registry) {}
  metrics::ProcessMetrics process;
  log::LogMetrics logs;
};

/// Without what `common` lists: what every program tells of itself is said once.
Program without(Program program, const Program& common) {
  std::erase_if(program.metrics, [&](const auto& m) {
    return std::any_of(common.metrics.begin(), common.metrics.end(),
                       [&](const auto& c) { return c.name == m.name; });
  });
  return program;
}

std::vector<Program> programs() {
  const auto common = program<Common>("every program");
  return {without(program<WithTraces<broker::Metrics>>("tocsin-broker"), common),
          without(program<WithTraces<edge::Metrics>>("tocsin-edge"), common),
          without(program<ops::Metrics>("tocsin-supervisor"), common), common};
}

std::string metrics_page() {
  std::string out = "# Metrics\n\n";
  out.append(kNotice).append(
      "Every program answers `GET /metrics` in the Prometheus text format. Label values are bounded: they "
      "are listed\n"
      "here, none comes from input.\n");
  for (const auto& [program_name, list] : programs()) {
    out.append("\n## ").append(program_name).append("\n\n| Name | Type | Label | Meaning |\n|-|-|-|-|\n");
    for (const auto& m : list) {
      out.append("| `").append(m.name).append("` | ").append(name(m.kind)).append(" | ").append(m.label);
      std::string_view before = ": ";
      if (m.label != "version") {
        for (const auto value : m.values) {
          out.append(before).append("`").append(value).append("`");
          before = ", ";
        }
      }
      out.append(" | ").append(m.help).append(" |\n");
    }
  }
  return out;
}

/// Names that dashboards and alerts rely on: a rename shows in a diff.
std::string metric_names() {
  std::vector<std::string> lines;
  for (const auto& [program_name, list] : programs())
    for (const auto& m : list) {
      std::string line = std::string{m.name}.append(" ").append(name(m.kind));
      if (!m.label.empty()) line.append(" ").append(m.label);
      lines.push_back(std::move(line));
    }
  std::sort(lines.begin(), lines.end());
  lines.erase(std::unique(lines.begin(), lines.end()), lines.end());
  std::string out;
  for (const auto& line : lines) out.append(line).append("\n");
  return out;
}

void errors_table(std::string& out) {
  out.append(
      "## Error codes\n\nIn the `code` of a problem+json answer and of an `error` frame; `status` is the "
      "number.\n\n");
  out.append("| Code | Status | Meaning | What the client does |\n|-|-|-|-|\n");
  for (const auto& e : all_errors())
    out.append("| `")
        .append(e.name)
        .append("` | ")
        .append(std::to_string(e.wire_code))
        .append(" | ")
        .append(e.text)
        .append(" | ")
        .append(next_step(e.retry))
        .append(" |\n");
}

void closes_table(std::string& out) {
  out.append("\n## Close codes\n\nOf a WebSocket, and in the `closing` frame before it.\n\n");
  out.append("| Reason | Code | Meaning | Come back |\n|-|-|-|-|\n");
  for (const auto& c : all_close_reasons()) {
    std::string when = "after " + std::to_string(c.retry_after_ms) + " ms";
    if (c.retry_after_ms < 0) when = "not unchanged";
    if (c.retry_after_ms == 0) when = "at will";
    out.append("| `")
        .append(c.name)
        .append("` | ")
        .append(std::to_string(c.code))
        .append(" | ")
        .append(c.text)
        .append(" | ")
        .append(when)
        .append(" |\n");
  }
}

std::string errors_page() {
  std::string out = "# Errors, close codes, exit codes\n\n";
  out.append(kNotice);
  errors_table(out);
  closes_table(out);
  out.append(
      "\n## Exit codes\n\n| Code | Meaning |\n|-|-|\n"
      "| 0 | done, or stopped by SIGTERM or SIGINT |\n"
      "| 1 | anything that has no code of its own |\n"
      "| 2 | bad settings or command line; the message names the place |\n"
      "| 3 | cannot start: port in use, folder unusable or of another cluster |\n"
      "| 4 | `tocsinctl`: no such incident, channel, edge or plan |\n"
      "| 5 | `tocsinctl`: nobody answers, or no edge takes clients |\n"
      "| 6 | `tocsinctl`: partly done, some updates were refused |\n"
      "| 7 | `tocsinctl status`: not every process is ready; `tocsinctl health`: this one is not |\n"
      "| 8 | `tocsinctl drain --wait` and its like: ended by its deadline, some clients were closed for it |\n"
      "| 9 | the same: it was called off |\n"
      "| 10 | `tocsinctl`: refused, another move is under way or maintenance is on |\n"
      "| 11 | `tocsinctl cert check`: clients will not believe the certificate |\n"
      "| 12 | the same: it is good, but ends soon |\n"
      "| 13 | `tocsinctl doctor`: nothing is broken, but it has remarks |\n");
  return out;
}

}  // namespace

std::vector<Page> pages() {
  return {{"ops/reference/config.md", settings::reference()},
          {"ops/reference/metrics.md", metrics_page()},
          {"ops/reference/errors.md", errors_page()},
          {"tests/golden/metrics.txt", metric_names()}};
}

}  // namespace tocsin::reference
