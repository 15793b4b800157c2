#include "common/log/audit.h"

#include "common/log/log.h"

namespace tocsin::log {

void audit(const Audit& what) {
  if (what.outcome == "ok" && what.action != "ban") return;
  info("audit", {{"action", what.action},
                 {"outcome", what.outcome},
                 {"who", what.who},
                 {"from", what.from},
                 {"what", what.what},
                 {"why", what.why}});
}

}  // namespace tocsin::log
