#include "ops/supervisor/alerts/alert_watch.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <array>

#include "common/log/log.h"
#include "common/rfc3339.h"
#include "ops/cluster/exposition.h"
#include "ops/cluster/file.h"
#include "ops/cluster/members.h"

namespace tocsin::ops {
namespace {

constexpr Millis kPatience{5'000};
constexpr Millis kPostCheck{250};

std::string alerts_file(const Folder& folder) { return folder.root + "/alerts.json"; }

double disk_free_percent(const std::string& path) {
  struct statvfs room {};
  if (::statvfs(path.c_str(), &room) != 0 || room.f_blocks == 0) return 100;
  return 100.0 * static_cast<double>(room.f_bavail) / static_cast<double>(room.f_blocks);
}

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

}  // namespace

AlertWatch::AlertWatch(loop::Loop& loop, http::Context& local, const Clock& clock, const Config& config,
                       Metrics& metrics, Folder folder, const Cluster& cluster, const EdgeWatch& edges)
    : loop_(loop),
      clock_(clock),
      config_(config),
      metrics_(metrics),
      folder_(std::move(folder)),
      cluster_(cluster),
      edges_(edges),
      rules_(config),
      book_({config.alert_resolve, config.alert_repeat}),
      asker_(local),
      timer_(loop),
      post_timer_(loop) {}

Status AlertWatch::start() {
  if (config_.webhook_url.empty()) return Done{};
  const auto url = http::parse_url(config_.webhook_url);
  if (!url || (url->scheme != "http" && url->scheme != "https"))
    return Error{Errc::invalid_argument,
                 "alerts.webhook_url \"" + config_.webhook_url + "\" is no http:// or https:// URL"};
  if (!config_.webhook_token_file.empty()) {
    auto token = read_secret(config_.webhook_token_file);
    if (!token) return Error{Errc::io, "alerts.webhook_token_file: " + token.error().detail};
    token_ = *std::move(token);
  }
  const bool secure = url->secure();
  outside_ = std::make_unique<http::Context>(
      loop_,
      http::Trust{secure ? http::Trust::In::authorities : http::Trust::In::nobody, config_.webhook_ca_file});
  poster_ = std::make_unique<http::Client>(*outside_);
  if (const auto known = read_file(alerts_file(folder_))) book_.load(*known, AlertRules::by_type());
  timer_.start(config_.alert_check, config_.alert_check, [this] { look(); });
  post_timer_.start(kPostCheck, kPostCheck, [this] { post(); });
  return Done{};
}

void AlertWatch::look() {
  if (asking_ > 0) return;  // the last look waits for somebody yet
  auto seen = std::make_shared<ClusterLook>();
  seen->now = clock_.steady();
  seen->wall_ms = clock_.wall_ms();
  seen->disk_free_percent = disk_free_percent(folder_.data());
  seen->maintenance = cluster_.fleet().maintenance;
  const auto processes = cluster_.processes();
  for (const SupervisedProcess* process : processes) {
    const bool serves = process->state() == SupervisedProcess::State::ready;
    ProcessLook one;
    one.name = process->spec().name;
    one.ready = serves;
    // A cordoned edge says that it is not ready, and is meant to.
    if (serves && one.name != "broker") {
      const EdgeWatch::Seen said =
          edges_.of(one.name, std::to_string(process->id() ? process->id()->pid : 0));
      one.ready = said.ready || (edges_.heard(said) && said.state != "ready" && !said.state.empty() &&
                                 said.state != "starting");
    }
    one.instance = process->id() ? static_cast<std::uint64_t>(process->id()->pid) : 0;
    seen->restarts += process->restarts();
    seen->processes.push_back(std::move(one));
  }
  asking_ = 1;  // until everybody is asked: answers come on later turns, but nobody might be asked at all
  const auto answered = [this, seen] {
    if (--asking_ == 0) judged(std::move(*seen));
  };
  for (std::size_t i = 0; i < processes.size(); ++i) {
    if (processes[i]->state() != SupervisedProcess::State::ready) continue;
    ++asking_;
    asker_.get(processes[i]->info().http + "/metrics", kPatience,
               [seen, i, answered](const Result<http::Response>& got) {
                 if (got && got->status == 200) seen->processes[i].numbers = parse_exposition(got->body);
                 answered();
               });
  }
  answered();
}

void AlertWatch::judged(ClusterLook look) {
  rules_.judge(look, book_);
  metrics_.alerts_firing.set(static_cast<std::int64_t>(book_.firing()));
  post();
}

std::string AlertWatch::body_of(const Notice& notice) const {
  std::string alert, out;
  char value[32], threshold[32];
  std::snprintf(value, sizeof value, "%.3f", notice.value);
  std::snprintf(threshold, sizeof threshold, "%.3f", notice.threshold);
  Members inner(alert);
  inner.text("type", notice.rule->type).text("subject", notice.subject).text("message", notice.message());
  inner.text("severity", notice.rule->severity).raw("value", value).raw("threshold", threshold);
  inner.text("since", rfc3339(notice.since_ms));
  if (!notice.rule->runbook.empty())
    inner.text("runbook", "ops/runbook/alerts/" + std::string(notice.rule->runbook) + ".md");
  inner.end();
  Members outer(out);
  outer.text("timestamp", rfc3339(clock_.wall_ms())).text("service", config_.alert_service);
  outer.text("hostname", host_name())
      .text("status", notice.firing ? "firing" : "resolved")
      .text("key", notice.key);
  outer.raw("alert", alert).end();
  return out;
}

void AlertWatch::post() {
  if (posting_) return;
  const auto notice = book_.next(clock_.steady());
  if (!notice) return;
  posting_ = true;
  http::Headers headers{{"content-type", "application/json"}};
  if (!token_.empty()) headers.emplace_back("authorization", "Bearer " + token_);
  poster_->request(
      "POST", config_.webhook_url, std::move(headers), body_of(*notice), kPatience,
      [this, notice = *notice](const Result<http::Response>& answer) { on_answer(notice, answer); });
}

void AlertWatch::on_answer(const Notice& notice, const Result<http::Response>& answer) {
  posting_ = false;
  const bool taken = answer && answer->status >= 200 && answer->status < 300;
  metrics_.alert_posts[taken ? 0 : 1].add();
  const std::uint64_t before = book_.version();
  book_.delivered(clock_.steady(), notice, taken);
  if (book_.version() != before)
    if (auto kept = write_atomically(alerts_file(folder_), book_.to_json()); !kept)
      log::warn("what the webhook was told is not on disk", {{"reason", kept.error().detail}});
  if (taken) {
    log::info("told the webhook", {{"alert", notice.key}, {"status", notice.firing ? "firing" : "resolved"}});
  } else if (!failing_) {
    log::error("the webhook does not take an alert; it is tried again",
               {{"alert", notice.key},
                {"reason", answer ? "status " + std::to_string(answer->status) : answer.error().detail}});
  }
  failing_ = !taken;
  if (taken) post();
}

}  // namespace tocsin::ops
