// tocsin-roam: many clients that understand `migrating` and come back by themselves, and a publisher at a
// steady rate, while something is done to the cluster. Prints JSON lines; the last is the report. Exit codes:
// 0 nothing lost, nothing twice; 1 a promise was broken or clients could not connect; 2 usage.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "tools/loadgen/roam/fleet.h"

namespace {

void raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
}

}  // namespace

int main(int argc, char** argv) {
  using namespace tocsin::loadgen::roam;
  FleetPlan plan;
  std::vector<std::string> targets;
  std::string tokens;
  std::uint32_t silence_ms = 15'000;
  CLI::App app{"Clients that move and come back, for drains and kills; every client's story is checked."};
  app.add_option("--target", targets, "host:port of an edge; repeat for several")->required();
  app.add_option("--clients", plan.clients)->check(CLI::Range(1, 1000000))->capture_default_str();
  app.add_option("--start-on", plan.start_on, "clients begin on the first so many targets; 0: on all");
  app.add_option("--channel", plan.rhythm.channel, "a channel that nobody used before")
      ->capture_default_str();
  app.add_option("--channels", plan.rhythm.channels, "spread clients and updates over so many channels")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  app.add_option("--rate", plan.rhythm.rate, "updates per second over all channels")->capture_default_str();
  app.add_option("--size", plan.rhythm.payload_bytes, "bytes of padding in an update")->capture_default_str();
  app.add_flag("--hasty", plan.hasty, "come back at once, whatever delay is dictated");
  app.add_flag("--plain", plan.plain,
               "clients that do not understand migrating: they are closed, and come back");
  app.add_flag("--commands", plan.commands, "until \"stop\" on standard input, in place of --seconds");
  app.add_option("--seconds", plan.seconds)->capture_default_str();
  app.add_option("--settle-seconds", plan.settle_seconds, "for everything to arrive at the end")
      ->capture_default_str();
  app.add_option("--silence-ms", silence_ms, "a socket is given up after so long without a frame")
      ->capture_default_str();
  app.add_option("--connect-burst", plan.connect_burst, "first connections under way at once")
      ->capture_default_str();
  app.add_option("--token-file", tokens,
                 "tokens, one a line: client i shows the i-th; the command \"tokens FILE\" renews them")
      ->check(CLI::ExistingFile);
  app.add_option("--history", plan.history, "write a history for tocsin-check-history");
  app.add_option("--recorded", plan.recorded, "so many clients are in the history")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  for (const auto& text : targets) {
    const auto target = parse_endpoint(text);
    if (!target) {
      std::cerr << "--target " << text << ": give host:port with an IPv4 address, as in 127.0.0.1:8080\n";
      return 2;
    }
    plan.targets.push_back(*target);
  }
  if (!tokens.empty()) plan.tokens = tokens_of(tokens);
  plan.silence = std::chrono::milliseconds{silence_ms};
  raise_file_limit();
  return Fleet(std::move(plan)).run() ? 0 : 1;
}
