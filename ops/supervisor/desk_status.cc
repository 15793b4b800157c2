// The part of Desk that tells people how the processes are.
#include "common/version.h"
#include "ops/cluster/members.h"
#include "ops/supervisor/desk.h"

namespace tocsin::ops {

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
