#include <unistd.h>

#include <cstdio>

#include "common/json/json.h"
#include "ops/ctl/api.h"
#include "ops/ctl/commands.h"
#include "ops/ctl/exit_codes.h"
#include "ops/settings/settings.h"

namespace tocsin::ops {

int run_check_config(const std::string& file, bool json) {
  const auto complaints = settings::check(file, config::process_environment());
  if (json) {
    std::string out = std::string("{\"valid\":") + (complaints.empty() ? "true" : "false") + ",\"errors\":[";
    for (const std::string& text : complaints) out += (out.back() == '[' ? "" : ",") + json::quoted(text);
    std::puts((out + "]}").c_str());
  } else {
    for (const std::string& text : complaints) complain(text, kExitUsage);
    if (complaints.empty()) std::puts("every program would accept these settings");
  }
  return complaints.empty() ? kExitOk : kExitUsage;
}

}  // namespace tocsin::ops
