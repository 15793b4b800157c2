#include "ops/ctl/move_args.h"

namespace tocsin::ops {
namespace {

using Run = int (*)(const MoveOptions&);

/// Options of every command, and what is done at the end of parsing.
void common(CLI::App* command, MoveLine& line, Run run) {
  MoveOptions& o = line.options;
  command->add_flag("--json", o.json, "JSON for machines");
  command->add_option("--cluster", o.cluster, "cluster.json to use");
  command->add_option("--ca", o.ca, "PEM file with the authorities that an edge's certificate may be from")
      ->check(CLI::ExistingFile);
  command->callback([command, &line, run] {
    if (!command->get_subcommands().empty()) return;  // `drain plan` is not `drain`
    MoveOptions& given = line.options;
    if (given.cluster.empty()) given.cluster = line.common->cluster;
    if (given.ca.empty()) given.ca = line.common->ca;
    given.json = given.json || line.common->json;
    *line.exit_code = run(given);
  });
}

void pace(CLI::App* command, MoveOptions& o) {
  command->add_option("--to", o.to, "Only to these edges (edge-1,edge-2)")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--exclude", o.exclude, "Not to these edges")->delimiter(',')->allow_extra_args(false);
  command->add_option("--batch", o.batch, "Clients told at a time; 0: the edge decides");
  command->add_option("--rate", o.rate, "Clients a second, at most; 0: as many as the targets take");
  command->add_option("--deadline", o.deadline, "90s, 5m: then the rest is spread over its last fifth");
}

void waits(CLI::App* command, MoveOptions& o) {
  command->add_flag("--wait", o.wait, "Until it has ended; prints its report");
}

/// An edge by its own address, in place of its name.
void itself(CLI::App* command, MoveOptions& o) {
  command->add_flag("--self", o.self, "The edge beside this process, without supervisor: for preStop");
  command->add_option("--edge-http", o.edge_http, "Its address ($TOCSIN_EDGE_HTTP, http://127.0.0.1:8080)");
  command->add_option("--token-file", o.token_file, "Its admin token ($TOCSIN_ADMIN_TOKEN_FILE)");
}

void add_drain(CLI::App& app, MoveLine& line) {
  MoveOptions& o = line.options;
  auto* drain = app.add_subcommand("drain", "Move all clients of an edge to the others; it stays cordoned");
  drain->add_option("edge", o.edge, "The edge");
  pace(drain, o);
  waits(drain, o);
  itself(drain, o);
  drain->require_subcommand(0, 1);
  common(drain, line, run_drain);

  auto* plan = drain->add_subcommand("plan", "What a drain would do now, and how long it would take");
  plan->add_option("edge", o.edge, "The edge")->required();
  plan->add_option("--count", o.count, "As if only so many clients were migrated");
  pace(plan, o);
  common(plan, line, run_drain_plan);

  auto* report =
      drain->add_subcommand("report", "How a drain, migration, rebalance, scaling or restart went");
  report->add_option("which", o.edge, "A plan or an edge; the last one when not given");
  common(report, line, run_drain_report);

  auto* abort = drain->add_subcommand("abort", "Call it off; clients that have moved stay where they are");
  abort->add_option("which", o.edge, "A plan or an edge; the only one when not given");
  common(abort, line, run_drain_abort);
}

}  // namespace

void add_moves(CLI::App& app, MoveLine& line) {
  MoveOptions& o = line.options;
  add_drain(app, line);

  auto* migrate = app.add_subcommand("migrate", "Move some clients of an edge to the others");
  migrate->add_option("edge", o.edge, "The edge");
  itself(migrate, o);
  migrate->add_option("--count", o.count, "Clients")->required();
  pace(migrate, o);
  waits(migrate, o);
  common(migrate, line, run_migrate);

  auto* rebalance =
      app.add_subcommand("rebalance", "Move clients until each edge is within 10 % of its share");
  rebalance->add_option("--rate", o.rate, "Clients a second and edge, at most");
  waits(rebalance, o);
  common(rebalance, line, run_rebalance);

  auto* scale = app.add_subcommand("scale", "Have so many edges: start and rebalance, or drain and stop");
  scale->add_option("edges", o.edges, "Edges")->required()->check(CLI::Range(1, 64));
  scale->add_option("--rate", o.rate, "Clients a second and edge, at most");
  scale->add_option("--deadline", o.deadline, "Of each drain (90s, 5m)");
  waits(scale, o);
  common(scale, line, run_scale);

  auto* restart = app.add_subcommand("restart", "Replace every process: other programs, other configuration");
  restart->add_flag("--rolling", o.rolling, "One by one, a surge edge first, the broker last; nobody is cut");
  restart->add_option("--programs", o.programs, "Folder of the new programs")->check(CLI::ExistingDirectory);
  restart->add_option("--config", o.config, "New YAML file for every program")->check(CLI::ExistingFile);
  restart->add_option("--rate", o.rate, "Clients a second, at most");
  restart->add_option("--deadline", o.deadline, "Of each drain (90s, 5m)");
  waits(restart, o);
  common(restart, line, run_restart);

  auto* cordon = app.add_subcommand("cordon", "An edge takes no new clients; those it has stay");
  cordon->add_option("edge", o.edge, "The edge");
  itself(cordon, o);
  common(cordon, line, run_cordon);
  auto* uncordon = app.add_subcommand("uncordon", "An edge takes clients again");
  uncordon->add_option("edge", o.edge, "The edge");
  itself(uncordon, o);
  common(uncordon, line, run_uncordon);

  auto* maintenance = app.add_subcommand("maintenance", "on: the supervisor restarts and rebalances nothing");
  maintenance->add_option("state", o.on_off, "on or off")->required()->check(CLI::IsMember({"on", "off"}));
  common(maintenance, line, run_maintenance);
}

}  // namespace tocsin::ops
