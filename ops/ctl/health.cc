// health: is the process beside this one ready? For the health checks of containers and units, which have no
// shell and no cluster.json.
#include <cstdio>
#include <cstdlib>

#include "ops/ctl/api.h"
#include "ops/ctl/commands.h"
#include "ops/ctl/exit_codes.h"

namespace tocsin::ops {
namespace {

constexpr const char* kDefault = "http://127.0.0.1:8080/health/ready";
constexpr std::chrono::milliseconds kPatience{3'000};

/// "broker:7401" and "http://broker:7401" mean the usual path there.
std::string whole(std::string url) {
  if (url.find("://") == std::string::npos) url = "http://" + url;
  const auto path = url.find('/', url.find("://") + 3);
  return path == std::string::npos ? url + "/health/ready" : url;
}

}  // namespace

int run_health(const HealthOptions& options) {
  const char* environment = std::getenv("TOCSIN_HEALTH_URL");
  std::string url = options.url;
  if (url.empty() && environment != nullptr) url = environment;
  url = whole(url.empty() ? kDefault : url);
  // Nothing secret is sent, and a certificate is not for 127.0.0.1; --ca insists on one.
  const http::Trust trust{options.ca.empty() ? http::Trust::In::anyone : http::Trust::In::authorities,
                          options.ca};
  Api api(ClusterFile{}, trust);
  const auto answer = api.fetch("GET", url, {}, {}, kPatience);
  if (!answer)
    return complain(url + ": " + answer.error().detail,
                    answer.error().code == Errc::invalid_argument ? kExitUsage : kExitUnavailable);
  std::puts(answer->body.c_str());
  return answer->status == 200 ? kExitOk : kExitNotReady;
}

}  // namespace tocsin::ops
