#include "ops/supervisor/alerts/alert_watch.h"

#include <unistd.h>

#include <array>
#include <utility>

#include "common/log/log.h"
#include "common/rfc3339.h"
#include "ops/cluster/exposition.h"
#include "ops/cluster/file.h"
#include "ops/cluster/members.h"

namespace tocsin::ops {
namespace {

constexpr Millis kPatience{5'000};
constexpr Millis kPostCheck{250};

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

}  // namespace

AlertWatch::Memory AlertWatch::in_file(const Folder& folder) {
  const std::string path = folder.root + "/alerts.json";
  return {[path] {
            const auto known = read_file(path);
            return known ? *known : std::string();
          },
          [path](const std::string& text) { return write_atomically(path, text); }};
}

AlertWatch::AlertWatch(const World& world, const Config& config, const Site& site, Memory memory)
    : loop_(world.loop),
      clock_(world.clock),
      config_(config),
      metrics_(world.metrics),
      site_(site),
      memory_(std::move(memory)),
      rules_(config),
      book_({config.alert_resolve, config.alert_repeat}),
      asker_(world.processes),
      timer_(world.loop),
      post_timer_(world.loop) {}

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
  timer_.start(config_.alert_check, config_.alert_check, [this] { look(); });
  post_timer_.start(kPostCheck, kPostCheck, [this] { post(); });
  return Done{};
}

void AlertWatch::look() {
  if (asking_ > 0) return;            // the last look waits for somebody yet
  if (!site_.takes_orders()) return;  // another supervisor tells
  if (!std::exchange(recalled_, true)) book_.load(clock_.steady(), memory_.recall(), AlertRules::by_type());
  auto seen = std::make_shared<ClusterLook>();
  seen->now = clock_.steady();
  seen->wall_ms = clock_.wall_ms();
  seen->disk_free_percent = site_.disk_free_percent();
  seen->maintenance = site_.maintenance();
  seen->restarts = site_.restarts();
  const std::vector<Watched> watched = site_.watched();
  for (const Watched& process : watched)
    seen->processes.push_back({process.name, process.ready, process.instance, {}});
  asking_ = 1;  // until everybody is asked: answers come on later turns, but nobody might be asked at all
  const auto answered = [this, seen] {
    if (--asking_ == 0) judged(std::move(*seen));
  };
  for (std::size_t i = 0; i < watched.size(); ++i) {
    if (watched[i].http.empty()) continue;
    ++asking_;
    http::Headers headers;  // for edges whose metrics.access is viewer
    if (!site_.token().empty()) headers.emplace_back("authorization", "Bearer " + site_.token());
    asker_.request("GET", watched[i].http + "/metrics", std::move(headers), {}, kPatience,
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
    if (auto kept = memory_.remember(book_.to_json()); !kept)
      log::warn("what the webhook was told is not kept", {{"reason", kept.error().detail}});
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
