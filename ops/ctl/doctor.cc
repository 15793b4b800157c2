#include "ops/ctl/doctor.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "broker/backup/shelf.h"
#include "common/clock.h"
#include "ops/cluster/cluster_file.h"
#include "ops/cluster/folder.h"
#include "ops/cluster/members.h"
#include "ops/ctl/api.h"
#include "ops/ctl/exit_codes.h"

namespace tocsin::ops {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

std::string_view word(Finding::Level level) {
  switch (level) {
    case Finding::Level::ok:
      return "ok";
    case Finding::Level::warning:
      return "warning";
    case Finding::Level::problem:
      break;
  }
  return "problem";
}

}  // namespace

Finding::Level Findings::worst() const noexcept {
  Finding::Level worst = Finding::Level::ok;
  for (const Finding& finding : all_) worst = std::max(worst, finding.level);
  return worst;
}

std::string Findings::text() const {
  std::string out;
  for (const Finding& finding : all_) {
    char head[40];
    std::snprintf(
        head, sizeof head, "%-8s %-12s ",
        finding.level == Finding::Level::problem ? "PROBLEM" : std::string(word(finding.level)).c_str(),
        finding.check.c_str());
    out.append(head).append(finding.what).append("\n");
    if (!finding.todo.empty())
      out.append(std::string(22, ' ')).append("-> ").append(finding.todo).append("\n");
  }
  return out;
}

std::string Findings::to_json() const {
  std::string list = "[";
  for (const Finding& finding : all_) {
    if (list.back() != '[') list += ',';
    Members members(list);
    members.text("level", word(finding.level)).text("check", finding.check).text("what", finding.what);
    members.text("todo", finding.todo).end();
  }
  std::string out;
  Members members(out);
  members.text("worst", word(worst())).raw("findings", list + "]").end();
  return out;
}

int Findings::exit_code() const noexcept {
  switch (worst()) {
    case Finding::Level::ok:
      return kExitOk;
    case Finding::Level::warning:
      return kExitRemarks;
    case Finding::Level::problem:
      break;
  }
  return kExitFailure;
}

int run_doctor(const DoctorOptions& options) {
  Findings out;
  std::string data = options.data.empty() ? environment("TOCSIN_BROKER_DATA_DIR") : options.data;
  double backups_every_s = 0;
  auto file = open_cluster(options.cluster);
  if (file) {
    if (data.empty()) data = Folder{file->dir}.data();
    http::Trust trust =
        trust_for(*file, {});  // nothing secret is sent, and a bad certificate is to be looked at
    if (trust.in != http::Trust::In::nobody) trust.in = http::Trust::In::anyone;
    Api api(*std::move(file), trust);
    backups_every_s = check_cluster(out, api);
    check_certificate(out, api.cluster().dir, options.ca, SystemClock().wall_ms() / 1'000);
  } else if (data.empty() || !options.cluster.empty()) {
    out.bad("cluster", file.error().detail, "start one (tocsinctl up), or name it with --cluster or --data");
  }
  check_clock(out);
  check_system(out);
  if (!data.empty()) {
    check_disk(out, data);
    std::string folder = options.folder.empty() ? environment("TOCSIN_BACKUP_FOLDER") : options.folder;
    folder = broker::backup::folder_for(data, folder);
    check_backups(out, folder, data, SystemClock().wall_ms(), backups_every_s);
  }
  std::fputs(options.json ? (out.to_json() + "\n").c_str() : out.text().c_str(), stdout);
  return out.exit_code();
}

void add_doctor(CLI::App& app, DoctorLine& line) {
  DoctorOptions& o = line.options;
  auto* doctor = app.add_subcommand("doctor", "What is wrong with the cluster and this host, and what to do");
  doctor->add_flag("--json", o.json, "JSON for machines");
  doctor->add_option("--cluster", o.cluster, "cluster.json to use");
  doctor->add_option("--data", o.data,
                     "The broker's data folder ($TOCSIN_BROKER_DATA_DIR, the local cluster's)");
  doctor->add_option("--folder", o.folder,
                     "Folder of backups ($TOCSIN_BACKUP_FOLDER, backups beside the data)");
  doctor->callback([&line] {
    DoctorOptions& given = line.options;
    if (given.ca.empty()) given.ca = line.common->ca;
    if (given.cluster.empty()) given.cluster = line.common->cluster;
    given.json = given.json || line.common->json;
    *line.exit_code = run_doctor(given);
  });
}

}  // namespace tocsin::ops
