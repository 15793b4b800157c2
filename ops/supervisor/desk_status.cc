// The part of Desk that tells people how the processes are.
#include "common/version.h"
#include "ops/cluster/members.h"
#include "ops/supervisor/desk.h"

namespace tocsin::ops {

health::Checks Desk::checks() const {
  using health::Counts;
  health::Checks out;
  for (const SupervisedProcess* process : cluster_.processes()) {
    const std::string& name = process->spec().name;
    const bool serves = process->state() == SupervisedProcess::State::ready;
    // One that serves is as it is to be, for the supervisor; what it says of itself is told.
    health::Check check{name, {}, serves ? Counts::nowhere : Counts::health};
    if (!serves) {
      check.trouble = name + " does not serve: it is " + std::string(to_text(process->state()));
      if (!process->last_end().empty()) check.trouble += "; it " + process->last_end();
    } else if (name != "broker" && !cluster_.fleet().cordoned.contains(name)) {
      const auto id = process->id();
      const EdgeWatch::Seen seen = watch_.of(name, std::to_string(id ? id->pid : 0));
      if (!seen.ready) check.trouble = name + " is not ready: " + reason_of(seen);
    }
    out.push_back(std::move(check));
  }
  out.push_back({"maintenance", maintenance() ? "maintenance is on: nothing that dies is started again" : "",
                 Counts::nowhere});
  return out;
}

std::string Desk::status_json() const {
  std::string out = "{\"ready\":";
  out += cluster_.all_ready() ? "true" : "false";
  out += ",\"version\":" + json::quoted(version()) +
         ",\"maintenance\":" + (maintenance() ? "true" : "false") + ",\"processes\":[";
  for (const SupervisedProcess* process : cluster_.processes()) {
    const auto id = process->id();
    const std::string& name = process->spec().name;
    if (out.back() != '[') out += ',';
    Members members(out);
    members.text("name", name).number("pid", id ? id->pid : 0);
    members.text("state", to_text(process->state())).number("restarts", process->restarts());
    members.raw("http", json::quoted(process->info().http)).text("last_end", process->last_end());
    if (name != "broker") {
      add_seen(members, watch_, watch_.of(name, std::to_string(id ? id->pid : 0)));
      if (cluster_.fleet().cordoned.contains(name)) members.flag("cordoned", true);
    }
    members.end();
  }
  return out + "],\"plans\":" + running_plans(moves_, wall_ms()) +
         ",\"cluster\":" + cluster_.file().to_json() + "}";
}

}  // namespace tocsin::ops
