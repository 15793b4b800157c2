#include <csignal>
#include <iostream>
#include <system_error>

#include "broker/node.h"
#include "common/config/program.h"
#include "common/exit_code.h"
#include "common/log/log.h"

int main(int argc, char** argv) {
  using namespace tocsin;
  auto start = config::start(
      broker::kOptions, {.name = "tocsin-broker", .summary = "Orders, keeps and fans out incident updates."},
      argc, argv);
  if (!start.loaded) return start.exit_code;
  const broker::Config& config = start.loaded->value;
  const auto fail = [](const Error& error, int code) {
    log::error("the broker cannot start", {{"code", describe(error.code).name}, {"detail", error.detail}});
    log::flush();  // the reason is the last line
    std::cerr << "tocsin-broker: "
              << (error.detail.empty() ? std::string(describe(error.code).text) : error.detail) << "\n";
    return code;
  };
  log::Settings logs = config.log;
  logs.component = "broker";
  if (auto ok = log::configure(logs); !ok) return fail(ok.error(), kExitUsage);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGHUP, SIG_IGN);  // until there is somebody to reload
  config::Reload<broker::Config> reload(broker::kOptions, start.sources, start.loaded->value);
  try {
    auto node = broker::Node::start(reload);
    if (!node)
      return fail(node.error(), node.error().code == Errc::invalid_argument ? kExitUsage : kExitCannotStart);
    (*node)->run();
  } catch (const std::exception& e) {  // libuv, ZeroMQ or libwebsockets cannot start
    return fail({Errc::io, e.what()}, kExitCannotStart);
  }
  return kExitOk;
}
