#include "ops/ctl/feed.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "common/json/json.h"
#include "common/loop/handles.h"
#include "ops/ctl/feed_http.h"
#include "ops/ctl/link_publisher.h"
#include "ops/ctl/progress.h"

namespace tocsin::ops {
namespace {

constexpr Millis kConnectPatience{10'000};
constexpr std::uint64_t kRefusalsShown = 20;

class LinkFeed {
 public:
  LinkFeed(const ClusterFile& cluster, DraftStream& stream, const FeedOptions& options)
      : cluster_(cluster),
        stream_(stream),
        progress_(options.what, stream.total(), options.json),
        context_(loop_),
        pace_(loop_),
        show_(loop_),
        patience_(loop_),
        signals_(loop_, {SIGINT, SIGTERM}, [this](int) { stop(); }) {}

  Result<FeedReport> run() {
    auto publisher = connect();
    if (!publisher) return publisher.error();
    publisher_ = *std::move(publisher);
    patience_.start(kConnectPatience, [this] {
      if (started_) return;
      fail({Errc::unavailable, "the broker at " + cluster_.broker.ingest +
                                   " does not answer; see tocsinctl status, or use --via http"});
    });
    show_.start(Millis{200}, Millis{200}, [this] { progress_.show(report_); });
    while (!done_) loop_.run();
    progress_.clear();
    if (failure_) return *failure_;
    report_.resent = publisher_->resent();
    return report_;
  }

 private:
  Result<std::unique_ptr<LinkPublisher>> connect() {
    LinkPublisher::Options options{.endpoint = cluster_.broker.ingest, .security = {}, .window = {}};
    if (!cluster_.client_key_file.empty()) {
      auto keys = mq::load_keys(cluster_.client_key_file);
      if (!keys)
        return Error{keys.error().code,
                     keys.error().detail + "; the client key of the cluster is needed, or --via http"};
      options.security = mq::Dealer::Security{*std::move(keys), cluster_.broker.public_key};
    }
    return LinkPublisher::connect(
        context_, loop_, clock_, options,
        {.on_outcomes = [this](std::vector<PublishWindow::Outcome> outcomes) { on_outcomes(outcomes); },
         .on_room = [this] { pump(); },
         .on_connection = [this](LinkPublisher::Connection c,
                                 const std::string& why) { on_connection(c, why); },
         .on_refused = [this](const Error& error) { fail(error); }});
  }

  void on_connection(LinkPublisher::Connection connection, const std::string& why) {
    if (connection == LinkPublisher::Connection::lost)
      return progress_.note("the broker went away (" + why + "); waiting for it to come back");
    if (std::exchange(started_, true))
      return progress_.note("the broker is back; sending again what it had not answered");
    start_ = clock_.steady();
    pump();
  }

  /// Hands over everything that is due and fits.
  void pump() {
    if (done_ || !started_) return;
    while (!ended_) {
      if (!held_) {
        const auto due = stream_.due();
        if (!due) {
          ended_ = true;
          break;
        }
        const Millis wait = *due - (clock_.steady() - start_);
        if (wait > Millis{0}) {
          pace_.start(std::min(wait, Millis{60'000}), [this] { pump(); });
          return;
        }
        held_ = stream_.take();
        if (!held_) continue;
      }
      if (!publisher_->publish(*held_)) return;  // on_room comes
      held_.reset();
    }
    finish_if_idle();
  }

  void on_outcomes(const std::vector<PublishWindow::Outcome>& outcomes) {
    for (const auto& one : outcomes) {
      if (!one.outcome.fault.ok()) {
        if (report_.refused++ < kRefusalsShown)
          progress_.note(stream_.origin(one.number) + " refused: " + one.outcome.fault.code + ": " +
                         one.outcome.fault.detail);
        continue;
      }
      ++(one.outcome.duplicate ? report_.duplicates : report_.published);
      report_.durability = to_text(one.outcome.durability);
    }
    if (!outcomes.empty())
      report_.latency_ms.push_back(static_cast<std::uint32_t>(outcomes.back().took.count()));
    report_.seconds = std::chrono::duration<double>(clock_.steady() - start_).count();
    finish_if_idle();
  }

  void finish_if_idle() {
    if (ended_ && publisher_->idle()) finish();
  }
  void stop() {
    report_.stopped = true;
    if (std::exchange(ended_, true) || !started_)
      return finish();  // the second time: without waiting for answers
    held_.reset();
    finish_if_idle();
  }
  void fail(const Error& error) {
    failure_ = error;
    finish();
  }
  void finish() {
    done_ = true;
    loop_.stop();
  }

  const ClusterFile& cluster_;
  DraftStream& stream_;
  Progress progress_;
  loop::Loop loop_;
  SystemClock clock_;
  mq::Context context_;
  loop::Timer pace_, show_, patience_;
  loop::Signals signals_;
  std::unique_ptr<LinkPublisher> publisher_;
  std::optional<Draft> held_;
  FeedReport report_;
  std::optional<Error> failure_;
  Instant start_{};
  bool started_ = false, ended_ = false, done_ = false;
};

}  // namespace

Result<FeedReport> feed(const ClusterFile& cluster, DraftStream& stream, const FeedOptions& options) {
  return options.via == Via::http ? feed_http(cluster, stream, options)
                                  : LinkFeed(cluster, stream, options).run();
}

std::string report_text(const FeedReport& report, std::uint64_t bad_rows, bool json) {
  auto latencies = report.latency_ms;
  std::sort(latencies.begin(), latencies.end());
  const auto at = [&](double q) {
    return latencies.empty()
               ? 0U
               : latencies[static_cast<std::size_t>(q * static_cast<double>(latencies.size() - 1))];
  };
  char text[512];
  const char* form =
      json
          ? R"({"published":%llu,"duplicates":%llu,"refused":%llu,"bad_rows":%llu,"resent":%llu,"seconds":%.3f,"rate":%.0f,)"
            R"("durability":"%s","answer_ms_p50":%u,"answer_ms_p99":%u,"stopped":%s})"
          : "%llu published, %llu duplicates, %llu refused, %llu bad rows, %llu sent again; %.2f s, %.0f updates/s, durability %s; "
            "answers p50 %u ms, p99 %u ms%s";
  std::snprintf(
      text, sizeof text, form, static_cast<unsigned long long>(report.published),
      static_cast<unsigned long long>(report.duplicates), static_cast<unsigned long long>(report.refused),
      static_cast<unsigned long long>(bad_rows), static_cast<unsigned long long>(report.resent),
      report.seconds, report.rate(), report.durability.c_str(), at(0.5), at(0.99),
      json ? (report.stopped ? "true" : "false") : (report.stopped ? "; stopped before the end" : ""));
  return text;
}

}  // namespace tocsin::ops
