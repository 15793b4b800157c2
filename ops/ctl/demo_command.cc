#include <cstdio>

#include "common/crypto/crypto.h"
#include "ops/ctl/api.h"
#include "ops/ctl/demo.h"
#include "ops/ctl/exit_codes.h"
#include "ops/ctl/feed.h"
#include "ops/ctl/filter_args.h"

namespace tocsin::ops {
namespace {

/// The script on the wall clock, until its time is over.
class DemoStream final : public DraftStream {
 public:
  DemoStream(DemoScript script, std::optional<Millis> duration)
      : script_(std::move(script)), duration_(duration) {}
  std::optional<Millis> due() override {
    if (duration_ && due_ > *duration_) return std::nullopt;
    return due_;
  }
  std::optional<Draft> take() override {
    auto step = script_.next(clock_.wall_ms());
    due_ += step.wait;
    return std::move(step.draft);
  }
  [[nodiscard]] std::string origin(std::uint64_t number) const override {
    return "update " + std::to_string(number);
  }

 private:
  DemoScript script_;
  std::optional<Millis> duration_;
  SystemClock clock_;
  Millis due_{0};
};

}  // namespace

int run_demo(const DemoOptions& options) {
  std::optional<Millis> duration;
  if (!options.duration.empty()) {
    const auto parsed = parse_duration(options.duration);
    if (!parsed) return complain("--duration " + parsed.error().detail, kExitUsage);
    duration = *parsed;
  }
  const auto cluster = open_cluster(options.cluster);
  if (!cluster) return complain(cluster.error().detail, kExitUnavailable);
  const std::uint64_t seed = options.seed != 0 ? options.seed : crypto::random_u64();
  // Two runs must not share incidents, whatever their seeds.
  DemoStream stream(DemoScript(seed, crypto::random_hex(6), options.channel, options.rate), duration);
  if (!options.json)
    std::fprintf(stderr, "tocsinctl: publishing to %s; watch with: tocsinctl tail %s\n",
                 options.channel.c_str(), options.channel.c_str());
  auto token = token_for(options.token_file);
  if (!token) return complain(token.error());
  const auto report = feed(*cluster, stream, {"demo", options.via, options.json, options.ca, *token});
  if (!report) return complain(report.error());
  std::puts(report_text(*report, 0, options.json).c_str());
  return report->refused > 0 ? kExitPartly : kExitOk;
}

}  // namespace tocsin::ops
