#include "ops/supervisor/k8s/run.h"

#include <signal.h>
#include <unistd.h>

#include <cstdio>

#include "common/config/program.h"
#include "common/log/log.h"
#include "common/mq/curve.h"
#include "ops/cluster/file.h"
#include "ops/supervisor/admin.h"
#include "ops/supervisor/alerts/alert_watch.h"
#include "ops/supervisor/k8s/desk.h"
#include "ops/supervisor/standalone.h"

namespace tocsin::ops::k8s {
namespace {

int complain(const std::string& sentence, int code) {
  std::fprintf(stderr, "tocsin-supervisor: %s\n", sentence.c_str());
  return code;
}

/// What the desk goes by in this cluster. Fails with a sentence for people.
Result<Desk::Names> find_names(const Config& config, const Folder& folder) {
  Desk::Names names;
  auto space = find_namespace(config.kube_namespace, config.kube_token_file);
  if (!space) return space.error();
  names.name_space = *std::move(space);
  names.identity = config.kube_identity.empty() ? host_name() : config.kube_identity;
  names.admin_token_file = admin_token_file(config, folder);
  auto token = admin_token(config, folder);
  if (!token) return token.error();
  names.admin_token = *std::move(token);
  if (config.broker_server_key_file.empty()) return names;
  auto key = mq::load_public_key(config.broker_server_key_file);
  if (!key) return key.error();
  names.broker_public_key = *std::move(key);
  return names;
}

http::Trust edges_trust(const Config& config) {
  const bool secure = config.kube_edge_url.starts_with("https");
  return {secure ? http::Trust::In::authorities : http::Trust::In::nobody, config.kube_edge_ca_file};
}

/// Everything with a life on the loop, in order of construction.
int run_in(const Config& config, const Folder& folder, Desk::Names names, const Endpoint& address) {
  loop::Loop loop;
  SystemClock clock;
  SystemRandom random;
  metrics::Registry registry;
  Metrics metrics(registry);
  http::Context local(loop, edges_trust(config));
  http::Context remote(loop, {http::Trust::In::authorities, config.kube_ca_file});
  Api api(remote, {config.kube_api, config.kube_token_file});
  auth::AdminDoor door;
  if (auto ready = door.prepare({names.admin_token_file, config.admin_roles_file, config.admin_loopback});
      !ready)
    return complain(ready.error().detail, kExitUsage);
  door.take();
  Admin admin(local, metrics, door);
  if (auto up = admin.listen(address.host, address.port); !up)
    return complain(up.error().detail, kExitCannotStart);
  const bool everywhere = address.host == "0.0.0.0" || address.host == "*";
  names.admin_url = !config.kube_admin_url.empty() ? config.kube_admin_url
                                                   : "http://" + (everywhere ? host_name() : address.host) +
                                                         ":" + std::to_string(admin.port());
  int code = kExitOk;
  Desk desk({loop, clock, random, metrics, local, api}, config, folder, std::move(names), [&] {
    code = kExitFailure;
    loop.stop();
  });
  loop::Signals signals(loop, {SIGTERM, SIGINT, SIGHUP}, [&](int number) {
    if (number == SIGHUP) return log::reopen();
    desk.stop([&loop] { loop.stop(); });
  });
  admin.serve(desk, nullptr);
  AlertWatch alerts(
      {loop, local, clock, metrics}, config, desk,
      {[&desk] { return desk.told(); }, [&desk](const std::string& text) { return desk.set_told(text); }});
  if (auto started = alerts.start(); !started) return complain(started.error().detail, kExitUsage);
  desk.start();
  loop.run();
  return code;
}

}  // namespace

int run(const Config& config) {
  log::Settings logs = config.log;
  logs.component = "supervisor";
  if (auto ok = log::configure(logs); !ok) return complain(ok.error().detail, kExitUsage);
  auto folder = open_folder(config.dir);
  if (!folder) return complain(folder.error().detail, kExitCannotStart);
  const auto address = parse_listen(config.listen);
  if (!address) return complain(address.error().detail, kExitUsage);
  auto names = find_names(config, *folder);
  if (!names)
    return complain(names.error().detail,
                    names.error().code == Errc::invalid_argument ? kExitUsage : kExitCannotStart);
  if (config.kube_api.starts_with("https") && ::access(config.kube_ca_file.c_str(), R_OK) != 0)
    return complain(
        config.kube_ca_file + " cannot be read: the API server's authority (kubernetes.ca_file) is not known",
        kExitCannotStart);
  return run_in(config, *folder, *std::move(names), *address);
}

}  // namespace tocsin::ops::k8s
