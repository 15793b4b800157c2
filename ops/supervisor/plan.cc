#include "ops/supervisor/plan.h"

#include <unistd.h>

#include <climits>

#include "ops/cluster/file.h"
#include "ops/supervisor/keys.h"
#include "ops/supervisor/ports.h"

namespace tocsin::ops {
namespace {

constexpr const char* kLoopback = "127.0.0.1";

/// Gives every process its port: the one asked for, the one it had, or a free one.
class Ports {
 public:
  Ports(SavedState& saved, Random& random) : saved_(saved), random_(random) {
    for (const auto& [name, port] : saved.ports) taken_.insert(port);
  }

  Result<std::uint16_t> kept(const std::string& name, const std::string& process) {
    const auto known = saved_.ports.find(name);
    if (known != saved_.ports.end() && (runs(process) || port_free(kLoopback, known->second)))
      return known->second;
    auto port = choose_port(kLoopback, taken_, random_);
    if (port) saved_.ports[name] = *port;
    return port;
  }

  Result<std::uint16_t> wanted(const std::string& name, std::uint16_t port) {
    const auto known = saved_.ports.find(name);
    const bool own = known != saved_.ports.end() && known->second == port && runs(name);
    if (!own && !port_free(kLoopback, port))
      return Error{
          Errc::unavailable,
          "port " + std::to_string(port) + " (" + name +
              ") is in use by another program; stop that program or give another --port (0 takes free ones)"};
    saved_.ports[name] = port;
    return port;
  }

 private:
  [[nodiscard]] bool runs(const std::string& process) const {
    const auto found = saved_.processes.find(process);
    return found != saved_.processes.end() && identify(found->second.id.pid) == found->second.id;
  }

  SavedState& saved_;
  Random& random_;
  std::set<std::uint16_t> taken_;
};

/// Fills in what every process has, and what tells two ways of starting it apart.
SupervisedProcess::Spec spec_of(const Folder& folder, const Release& release, std::string name,
                                const char* program, std::vector<std::string> flags) {
  SupervisedProcess::Spec spec;
  spec.name = std::move(name);
  spec.ready_file = folder.ready_file(spec.name);
  spec.program.log_file = folder.log_file(spec.name);
  spec.program.argv = {release.programs + "/" + program};
  if (!release.config_file.empty())
    spec.program.argv.insert(spec.program.argv.end(), {"--config", release.config_file});
  flags.insert(flags.end(), {"--run-ready-file", spec.ready_file});
  spec.program.argv.insert(spec.program.argv.end(), flags.begin(), flags.end());
  for (const std::string& word : spec.program.argv) spec.fingerprint += word + " ";
  // Of the release, not of the file now: in the middle of a rolling restart the file is newer than those that
  // have not had their turn.
  spec.fingerprint += release.config_hash;
  return spec;
}

std::string link_of(std::uint16_t port) {
  return "tcp://" + std::string(kLoopback) + ":" + std::to_string(port);
}

}  // namespace

std::string own_programs() {
  char path[PATH_MAX];
  const ssize_t n = ::readlink("/proc/self/exe", path, sizeof path);
  const std::string self(path, n > 0 ? static_cast<std::size_t>(n) : 0);
  return self.substr(0, self.rfind('/'));
}

Result<SupervisedProcess::Spec> plan_broker(const Folder& folder, SavedState& saved, const Release& release,
                                            Random& random) {
  Ports ports(saved, random);
  const auto link = ports.kept("broker", "broker");
  const auto http = ports.kept("broker-http", "broker");
  if (!link || !http) return link ? http.error() : link.error();
  return spec_of(
      folder, release, "broker", "tocsin-broker",
      {"--broker-listen", link_of(*link), "--broker-data-dir", folder.data(), "--broker-http-listen",
       std::string(kLoopback) + ":" + std::to_string(*http), "--curve-key-file", folder.key_file("broker"),
       "--curve-allow-dir", folder.allowed_keys(), "--admin-token-file", folder.token_file()});
}

Result<SupervisedProcess::Spec> plan_edge(const Config& config, const Folder& folder, SavedState& saved,
                                          const std::string& name, const Release& release, Random& random) {
  Ports ports(saved, random);
  const std::int64_t ordinal = ordinal_of(name);
  const std::int64_t asked = config.port == 0 || ordinal < 0 ? 0 : config.port + ordinal;
  if (asked > 65'535)
    return Error{Errc::invalid_argument,
                 "there is no port " + std::to_string(asked) + " for " + name + "; give a smaller --port"};
  const auto port =
      asked == 0 ? ports.kept(name, name) : ports.wanted(name, static_cast<std::uint16_t>(asked));
  if (!port) return port.error();
  if (const auto key = ensure_keys(folder, name); !key) return key.error();
  return spec_of(folder, release, name, "tocsin-edge",
                 {"--edge-id", name, "--listen-port", std::to_string(*port), "--broker-endpoint",
                  link_of(saved.ports["broker"]), "--broker-server-key-file", folder.broker_public_key_file(),
                  "--curve-key-file", folder.key_file(name), "--admin-token-file", folder.token_file(),
                  "--edge-revision", std::to_string(release.revision)});
}

Result<Plan> make_plan(const Config& config, const std::string& config_file, const Folder& folder,
                       SavedState& saved, Random& random) {
  Plan plan;
  const auto broker_key = ensure_keys(folder, "broker");
  const auto client_key = ensure_keys(folder, "client");
  if (!broker_key) return broker_key.error();
  if (!client_key) return client_key.error();
  if (auto token = ensure_token(folder); !token) return token.error();
  plan.broker_public_key = *broker_key;
  plan.client_key_file = folder.key_file("client");
  settle(saved.fleet, config, config_file, own_programs());

  auto broker = plan_broker(folder, saved, saved.fleet.broker, random);
  if (!broker) return broker.error();
  plan.broker = *std::move(broker);
  for (const std::string& name : saved.fleet.names()) {
    auto edge = plan_edge(config, folder, saved, name, saved.fleet.edges.at(name), random);
    if (!edge) return edge.error();
    plan.edges.push_back(*std::move(edge));
  }
  const auto colon = config.listen.rfind(':');
  const bool any = colon == std::string::npos || config.listen.substr(colon + 1) == "0";
  if (any) {
    const auto admin = Ports(saved, random).kept("supervisor", "supervisor");
    if (!admin) return admin.error();
    plan.admin_port = *admin;
  } else {
    plan.admin_port = static_cast<std::uint16_t>(std::stoi(config.listen.substr(colon + 1)));
  }
  return plan;
}

}  // namespace tocsin::ops
