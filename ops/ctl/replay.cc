#include "ops/ctl/replay_rows.h"

#include <cstdio>

#include "ops/ctl/api.h"
#include "ops/ctl/exit_codes.h"
#include "ops/ctl/filter_args.h"

namespace tocsin::ops {
namespace {
constexpr std::uint64_t kBadRowsShown = 20;
}  // namespace

int run_replay_servicenow(const ReplayOptions& options) {
  const auto speed = parse_speed(options.speed);
  if (!speed) return complain(speed.error());
  const auto cluster = open_cluster(options.cluster);
  if (!cluster) return complain(cluster.error().detail, kExitUnavailable);
  auto source = open_source(options.file);
  if (!source) return complain(source.error().detail, kExitUsage);

  std::uint64_t shown = 0;
  const auto on_bad_row = [&](std::uint64_t line, const std::string& why) {
    if (++shown <= kBadRowsShown)
      std::fprintf(stderr, "tocsinctl: %s line %llu: %s\n", options.file.c_str(),
                   static_cast<unsigned long long>(line), why.c_str());
    if (shown == kBadRowsShown + 1) std::fprintf(stderr, "tocsinctl: more bad rows are only counted\n");
  };
  auto rows = ReplayRows::load(**source, {options.channel, *speed, options.limit}, on_bad_row);
  if (!rows) return complain(options.file + ": " + rows.error().detail, kExitUsage);
  if (options.strict && rows->bad_rows() > 0)
    return complain("nothing was published: --strict, and rows are bad", kExitPartly);

  auto token = token_for(options.token_file);
  if (!token) return complain(token.error());
  const auto report = feed(*cluster, *rows, {"replay", options.via, options.json, options.ca, *token});
  if (!report) return complain(report.error());
  std::puts(report_text(*report, rows->bad_rows(), options.json).c_str());
  return report->refused + rows->bad_rows() > 0 ? kExitPartly : kExitOk;
}

}  // namespace tocsin::ops
