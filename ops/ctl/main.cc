// tocsinctl: the operator's hand. This file only turns the command line into the structs of commands.h.
#include <signal.h>

#include <CLI/CLI.hpp>
#include <exception>
#include <map>

#include "common/version.h"
#include "ops/ctl/backup.h"
#include "ops/ctl/cert.h"
#include "ops/ctl/commands.h"
#include "ops/ctl/doctor.h"
#include "ops/ctl/exit_codes.h"
#include "ops/ctl/keys.h"
#include "ops/ctl/move_args.h"
#include "ops/ctl/reload.h"
#include "ops/ctl/revoke.h"
#include "ops/ctl/token.h"
#include "ops/ctl/up.h"

namespace tocsin::ops {
namespace {

const std::map<std::string, Via> kVias{{"ingest", Via::ingest}, {"http", Via::http}};
constexpr const char* kFilterHelp =
    "member=value[,value], repeatable: severity=P0,P1 status= kind= category= source= environment= team= "
    "incident= labels.<name>= active=true";

/// Options and exit code of this run; the callbacks of the chosen command fill in the code.
struct Line {
  Common common;
  UpOptions up;
  StatusOptions status;
  HealthOptions health;
  PublishOptions publish;
  IncidentsOptions incidents;
  TailOptions tail;
  ReplayOptions replay;
  DemoOptions demo;
  MoveLine moves;
  TokenLine token;
  ReloadLine reload;
  CertLine cert;
  RevokeLine revoke;
  BackupLine backup;
  DoctorLine doctor;
  KeysLine keys;
  std::string config_file;
  int exit_code = kExitOk;
};

template <typename Options>
void runs(CLI::App* command, Line& line, Options& options, int (*run)(const Options&)) {
  command->add_flag("--json", options.json, "JSON for machines");
  command->add_option("--cluster", options.cluster, "cluster.json to use");
  command
      ->add_option("--ca", options.ca, "PEM file with the authorities that an edge's certificate may be from")
      ->check(CLI::ExistingFile);
  command
      ->add_option("--token-file", options.token_file,
                   "File with the token to show to edges that ask for one; else $TOCSIN_TOKEN")
      ->check(CLI::ExistingFile);
  command->callback([&line, &options, run] {
    if (options.cluster.empty()) options.cluster = line.common.cluster;
    if (options.ca.empty()) options.ca = line.common.ca;
    options.json = options.json || line.common.json;
    line.exit_code = run(options);
  });
}

void add_up(CLI::App& app, Line& line) {
  auto* up = app.add_subcommand("up", "Run a local cluster in the foreground, until Ctrl-C");
  up->add_option("--edges", line.up.edges, "Edges")->check(CLI::Range(1, 64))->capture_default_str();
  up->add_option("--port", line.up.port, "Port of the first edge, the next gets the next; 0: any free ones")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  up->add_option("--dir", line.up.dir, "Folder of all state; starting again on it continues the same log")
      ->capture_default_str();
  up->add_option("--config", line.up.config, "YAML file for every program")->check(CLI::ExistingFile);
  up->add_flag("--json", line.up.json, "Print cluster.json once all is ready");
  up->callback([&line] {
    line.up.json = line.up.json || line.common.json;
    line.exit_code = run_up(line.up);
  });
}

void add_publish(CLI::App& app, Line& line) {
  PublishOptions& o = line.publish;
  auto* publish =
      app.add_subcommand("publish", "Publish an update from flags, or updates from a file or stdin");
  publish->add_option("file", o.file, "JSON or NDJSON; - is stdin");
  publish->add_option("--channel", o.channel)->capture_default_str();
  publish->add_option("--key", o.key, "The incident's id");
  publish->add_option("--kind", o.kind,
                      "created, updated, acknowledged, escalated, resolved, closed, ... (updated)");
  publish->add_option("--set", o.set,
                      "member=value of the incident, repeatable: --set severity=P1 --set status=resolved");
  publish->add_option("--event", o.event, "Name of an application event, instead of an incident");
  publish->add_option("--data", o.data, "JSON of the event");
  publish->add_option("--event-id", o.event_id, "For publishing the same again without doing it twice");
  publish->add_option("--actor", o.actor);
  publish->add_option("--if-version", o.if_version, "Refuse when the incident is at another version");
  runs(publish, line, o, run_publish);
}

void add_reading(CLI::App& app, Line& line) {
  runs(app.add_subcommand("status", "Are the processes ready?"), line, line.status, run_status);

  auto* health = app.add_subcommand(
      "health", "Is one process ready? Exit code 0, 7 not ready, 5 nobody answers; for health checks");
  health->add_option("url", line.health.url,
                     "Of the process; else $TOCSIN_HEALTH_URL, else http://127.0.0.1:8080/health/ready");
  runs(health, line, line.health, run_health);

  IncidentsOptions& i = line.incidents;
  auto* incidents = app.add_subcommand("incidents", "Current incidents, or one by its id");
  incidents->add_option("id", i.id, "The incident's id");
  incidents->add_option("--channel", i.channel)->capture_default_str();
  incidents->add_option("--filter", i.filter, kFilterHelp);
  incidents->add_option("--limit", i.limit, "At most so many; 0: all")->capture_default_str();
  runs(incidents, line, i, run_incidents);

  TailOptions& t = line.tail;
  auto* tail = app.add_subcommand(
      "tail", "Follow a channel live; changes edges when one goes away, and never hides a gap");
  tail->add_option("channel", t.channel)->capture_default_str();
  tail->add_option("--filter", t.filter, kFilterHelp);
  tail->add_option("--since", t.since, "epoch:offset to go on from");
  tail->add_flag("--snapshot", t.snapshot, "Current incidents first");
  tail->add_option("--count", t.count, "End after so many updates");
  tail->add_option("--until-quiet", t.until_quiet, "End after so long without an update (5s)");
  tail->add_option("--edge", t.edge, "Start with this edge");
  runs(tail, line, t, run_tail);
}

void add_feeding(CLI::App& app, Line& line) {
  ReplayOptions& r = line.replay;
  auto* replay = app.add_subcommand("replay", "Publish a recorded log");
  replay->require_subcommand(1);
  auto* servicenow =
      replay->add_subcommand("servicenow", "A ServiceNow incident log, CSV or CSV.xz, in order of its times");
  servicenow->add_option("file", r.file, "- is stdin")->required();
  servicenow->add_option("--speed", r.speed, "max, or 3600x: an hour of the log in a second")
      ->capture_default_str();
  servicenow->add_option("--channel", r.channel)->capture_default_str();
  servicenow->add_option("--limit", r.limit, "Only the first so many updates");
  servicenow->add_option("--via", r.via, "ingest (ZeroMQ to the broker) or http (an edge)")
      ->transform(CLI::CheckedTransformer(kVias))
      ->default_str("ingest");
  servicenow->add_flag("--strict", r.strict, "Publish nothing when a row is bad");
  runs(servicenow, line, r, run_replay_servicenow);

  DemoOptions& d = line.demo;
  auto* demo = app.add_subcommand("demo", "Publish made-up incidents that open, escalate and resolve");
  demo->add_option("--rate", d.rate, "Updates a second, on average")
      ->check(CLI::Range(0.01, 1e5))
      ->capture_default_str();
  demo->add_option("--duration", d.duration, "90s, 5m, 2h; until Ctrl-C when not given");
  demo->add_option("--seed", d.seed, "The same story again");
  demo->add_option("--channel", d.channel)->capture_default_str();
  demo->add_option("--via", d.via, "ingest or http")
      ->transform(CLI::CheckedTransformer(kVias))
      ->default_str("ingest");
  runs(demo, line, d, run_demo);
}

int run(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);  // `tocsinctl tail | head` ends by the failed write
  Line line;
  CLI::App app("tocsinctl: runs, watches and feeds a Tocsin cluster");
  app.footer(
      std::string(
          "The cluster is found by --cluster, $TOCSIN_CLUSTER, ./cluster.json or that of tools/dev up.\n") +
      kExitHelp);
  app.set_version_flag("--version", "tocsinctl " + std::string(version()));
  app.require_subcommand(1);
  app.add_option("--cluster", line.common.cluster, "cluster.json to use");
  app.add_option("--ca", line.common.ca,
                 "PEM file with the authorities that an edge's certificate may be from; else the system's")
      ->check(CLI::ExistingFile);
  app.add_flag("--json", line.common.json, "JSON for machines");
  add_up(app, line);
  add_reading(app, line);
  add_publish(app, line);
  add_feeding(app, line);
  line.moves.common = &line.common;
  line.moves.exit_code = &line.exit_code;
  add_moves(app, line.moves);
  line.token.common = &line.common;
  line.token.exit_code = &line.exit_code;
  add_token(app, line.token);
  line.reload.common = &line.common;
  line.reload.exit_code = &line.exit_code;
  add_reload(app, line.reload);
  line.cert.common = &line.common;
  line.cert.exit_code = &line.exit_code;
  add_cert(app, line.cert);
  line.revoke.common = &line.common;
  line.revoke.exit_code = &line.exit_code;
  add_revoke(app, line.revoke);
  line.backup.common = &line.common;
  line.backup.exit_code = &line.exit_code;
  add_backup(app, line.backup);
  line.doctor.common = &line.common;
  line.doctor.exit_code = &line.exit_code;
  add_doctor(app, line.doctor);
  line.keys.common = &line.common;
  line.keys.exit_code = &line.exit_code;
  add_keys(app, line.keys);
  auto* check = app.add_subcommand("check-config", "Would every program accept this file of settings?");
  check->add_option("file", line.config_file)->required()->check(CLI::ExistingFile);
  check->add_flag("--json", line.common.json, "JSON for machines");
  check->callback([&line] { line.exit_code = run_check_config(line.config_file, line.common.json); });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? kExitOk : kExitUsage;
  }
  return line.exit_code;
}

}  // namespace
}  // namespace tocsin::ops

int main(int argc, char** argv) {
  try {
    return tocsin::ops::run(argc, argv);
  } catch (const std::exception& error) {  // libraries throw at start-up
    std::fprintf(stderr, "tocsinctl: %s\n", error.what());
    return tocsin::kExitFailure;
  }
}
