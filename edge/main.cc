// tocsin-edge: settings, log, node; exit codes as in common/exit_code.h.
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <exception>
#include <string>

#include "common/config/program.h"
#include "common/log/log.h"
#include "edge/node.h"

namespace {

int fail(int code, const std::string& sentence) {
  tocsin::log::flush();  // the reason is the last line
  std::fprintf(stderr, "tocsin-edge: %s\n", sentence.c_str());
  return code;
}

/// The host's name: a container's and a pod's are unique in their cluster.
std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

int serve(tocsin::config::Reload<tocsin::edge::Config>& reload) {
  tocsin::edge::Node node(reload);
  if (const auto started = node.start(); !started) {
    const bool usage = started.error().code == tocsin::Errc::invalid_argument;
    return fail(usage ? tocsin::kExitUsage : tocsin::kExitCannotStart, started.error().detail);
  }
  node.run();
  return tocsin::kExitOk;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace tocsin;
  auto start = config::start<edge::Config>(
      edge::kOptions,
      {.name = "tocsin-edge", .summary = "Serves clients over WebSocket, HTTP and Server-Sent Events."}, argc,
      argv);
  if (!start.loaded) return start.exit_code;
  edge::Config& config = start.loaded->value;
  const auto name_it = [](edge::Config& c) {
    if (c.id.empty()) c.id = host_name();
  };
  name_it(config);
  if (config.id.empty()) return fail(kExitUsage, "edge.id is empty and this host has no name; set edge.id");
  log::Settings logs = config.log;
  logs.component = config.id;
  if (auto logging = log::configure(logs); !logging) return fail(kExitUsage, logging.error().detail);
  (void)std::signal(SIGPIPE, SIG_IGN);
  (void)std::signal(SIGHUP, SIG_IGN);  // until there is somebody to reload
  config::Reload<edge::Config> reload(edge::kOptions, start.sources, config, name_it);
  try {
    return serve(reload);
  } catch (const std::exception& broken) {  // of libraries at start-up only
    return fail(kExitCannotStart, broken.what());
  }
}
