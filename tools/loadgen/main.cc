// tocsin-loadgen: connects many clients, optionally publishes, checks every stream while it measures, prints
// JSON. Exit codes: 0 every stream was whole, 1 a gap, duplicate, early close or missing update, 2 usage.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>
#include <sstream>

#include "tools/loadgen/load.h"

namespace {

using tocsin::loadgen::Histogram;
using tocsin::loadgen::Plan;
using tocsin::loadgen::Report;
using tocsin::loadgen::Target;

/// "127.0.0.1:8080" -> Target; false for anything else.
bool parse_target(const std::string& text, Target& out) {
  const auto colon = text.rfind(':');
  if (colon == std::string::npos) return false;
  out.host = text.substr(0, colon);
  const int port = std::atoi(text.c_str() + colon + 1);
  out.port = static_cast<std::uint16_t>(port);
  return port > 0 && port < 65536;
}

void print(std::ostream& out, const char* name, const Histogram& h) {
  out << ",\"" << name << "_us\":{\"count\":" << h.total() << ",\"p50\":" << h.quantile(0.5)
      << ",\"p90\":" << h.quantile(0.9) << ",\"p99\":" << h.quantile(0.99)
      << ",\"p999\":" << h.quantile(0.999) << ",\"max\":" << h.max() << "}";
}

std::string to_json(const Report& r) {
  std::ostringstream out;
  const auto& t = r.totals;
  const double rate = r.delivery_seconds > 0 ? static_cast<double>(t.updates) / r.delivery_seconds : 0;
  out << "{\"whole\":" << (r.whole() ? "true" : "false") << ",\"opened\":" << r.opened
      << ",\"failed\":" << r.failed << ",\"closed_early\":" << r.closed_early
      << ",\"published\":" << r.published << ",\"refused\":" << r.refused << ",\"deliveries\":" << t.updates
      << ",\"skipped\":" << t.skipped << ",\"gaps\":" << t.gaps << ",\"duplicates\":" << t.duplicates
      << ",\"conflated\":" << t.conflated << ",\"resumed\":" << t.resumed << ",\"restarted\":" << t.restarted
      << ",\"lost\":" << t.lost << ",\"errors\":" << t.errors << ",\"too_slow\":" << r.too_slow
      << ",\"revived\":" << r.revived << ",\"expired\":" << r.expired << ",\"late\":" << r.late
      << ",\"bytes\":" << r.bytes << ",\"deflating\":" << r.deflating << ",\"tls\":\"" << r.tls
      << "\",\"connect_seconds\":" << r.connect_seconds
      << ",\"storm_connect_seconds\":" << r.storm_connect_seconds << ",\"storm_seconds\":" << r.storm_seconds
      << ",\"delivery_seconds\":" << r.delivery_seconds << ",\"deliveries_per_second\":" << rate
      << ",\"complete\":" << (r.complete ? "true" : "false");
  print(out, "delivery", r.delivery);
  print(out, "acknowledged", r.acknowledged);
  out << "}";
  return out.str();
}

std::vector<std::string> lines_of(const std::string& path) {
  std::vector<std::string> out;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);)
    if (!line.empty()) out.push_back(line);
  return out;
}

void raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
}

}  // namespace

int main(int argc, char** argv) {
  Plan plan;
  std::vector<std::string> targets;
  CLI::App app{"Load generator for Tocsin: open-loop publishing, many clients, every stream checked."};
  app.add_option("--target", targets, "host:port of an edge; repeat for several")->required();
  auto& work = plan.work;
  app.add_option("--connections", work.connections, "listening clients")->capture_default_str();
  app.add_option("--source-addresses", plan.source_addresses, "spread over so many loopback addresses")
      ->check(CLI::Range(1, 250));
  app.add_option("--connect-burst", plan.connect_burst, "connections under way at once")
      ->capture_default_str();
  app.add_option("--dialect", plan.dialect, "what the server speaks")
      ->check(CLI::IsMember({"tocsin", "tocsin-proto", "nchan", "nats", "mqtt", "redis"}))
      ->capture_default_str();
  app.add_flag("--tls", plan.tls, "TLS; the certificate is not verified");
  app.add_flag("--deflate", plan.deflate, "offer permessage-deflate without context takeover");
  app.add_option("--channel", work.channel)->capture_default_str();
  app.add_option("--channels", work.channels, "spread clients and updates over so many channels")
      ->capture_default_str();
  app.add_option("--filter", work.filter, "filter as JSON")->capture_default_str();
  app.add_option("--filters", work.filters, "so many different filters; each update matches one");
  app.add_flag("--incidents", work.incidents, "publish incidents in place of padded events");
  app.add_option("--rate", plan.publish_rate, "updates published per second; 0: somebody else publishes");
  app.add_flag("--lockstep", plan.lockstep, "publish when every client has what was published before");
  app.add_option("--burst", plan.burst, "updates that fall due together")->check(CLI::Range(1, 10000));
  app.add_option("--count", plan.publish_count, "updates to publish in all");
  app.add_option("--size", work.payload_bytes, "bytes of an update's frame, about")->capture_default_str();
  app.add_option("--expect", plan.expect_updates, "end when every client has seen so many updates");
  app.add_option("--seconds", plan.seconds, "end after so long at the latest")->capture_default_str();
  app.add_option("--warmup", plan.warmup, "seconds not counted in the latencies");
  app.add_option("--stalled", work.stalled, "clients that stop reading once subscribed");
  app.add_flag("--revive", plan.revive,
               "stalled clients read again at the end and must get whole, or be closed as too slow");
  app.add_flag("--storm", plan.storm,
               "after the updates all clients drop, miss --missed updates and come back at once");
  app.add_option("--missed", plan.storm_updates, "updates that clients miss in a storm")
      ->capture_default_str();
  app.add_flag("--replays", plan.replays,
               "in a storm: the server, which has no offsets, sends all it kept to each client that comes");
  std::string tokens, refreshes;
  app.add_option("--token-file", tokens, "tokens, one a line: client i shows the i-th")
      ->check(CLI::ExistingFile);
  app.add_option("--refresh-file", refreshes, "tokens that every second client refreshes with")
      ->check(CLI::ExistingFile);
  app.add_option("--refresh-after", plan.refresh_after, "seconds after the first publish");
  app.add_option(
      "--expires-at", plan.expires_at,
      "when the first tokens end, in seconds since 1970: who does not refresh must be told nothing a "
      "second later, and be closed with 4401");
  app.add_flag("--gate", plan.gate, "print each phase and wait for a line on stdin");
  CLI11_PARSE(app, argc, argv);
  for (const auto& text : targets) {
    Target target;
    if (!parse_target(text, target)) {
      std::cerr << "--target " << text << ": give host:port with an IPv4 address, as in 127.0.0.1:8080\n";
      return 2;
    }
    plan.targets.push_back(target);
  }
  plan.tokens = lines_of(tokens);
  plan.refreshes = lines_of(refreshes);
  // A peer's frame holds little more than the payload: all are compared at the same size of frame.
  if (!plan.dialect.starts_with("tocsin")) work.overhead = 4;
  raise_file_limit();
  const Report report = tocsin::loadgen::Load(plan).run();
  std::cout << to_json(report) << std::endl;
  return report.whole() ? 0 : 1;
}
