#include "common/log/reloaded.h"

#include "common/log/log.h"

namespace tocsin::log {

void reloaded(std::string_view why, const Result<config::Reloaded>& result) {
  if (!result)
    return error("the settings were not reloaded, nothing has changed",
                 {{"asked_by", why}, {"detail", result.error().detail}});
  for (const auto& change : result->changed)
    info(
        "a setting has changed",
        {{"key", change.key}, {"before", change.before}, {"after", change.after}, {"origin", change.origin}});
  for (const auto& key : result->restart)
    warn("a setting differs that only a restart applies", {{"key", key}});
  info("the settings were reloaded",
       {{"asked_by", why}, {"changed", result->changed.size()}, {"restart_needed", result->restart.size()}});
}

}  // namespace tocsin::log
