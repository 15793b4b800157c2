#include "ops/ctl/feed_http.h"

#include <signal.h>
#include <unistd.h>

#include "common/json/json.h"
#include "ops/ctl/api.h"
#include "ops/ctl/draft_json.h"
#include "ops/ctl/progress.h"

namespace tocsin::ops {
namespace {

constexpr std::size_t kBatchBytes = std::size_t{256} << 10;
constexpr std::size_t kBatchCount = 500;
constexpr int kPatience = 50;  ///< times that no edge answers, kPause apart, before it is given up
constexpr useconds_t kPause = 200'000;

volatile sig_atomic_t stop_asked = 0;

class HttpFeed {
 public:
  HttpFeed(const ClusterFile& cluster, DraftStream& stream, const FeedOptions& options)
      : api_(cluster, trust_for(cluster, options.ca), options.token),
        stream_(stream),
        progress_(options.what, stream.total(), options.json) {}

  Result<FeedReport> run() {
    start_ = clock_.steady();
    std::optional<Error> failure;
    while (stop_asked == 0 && !failure) {
      const auto due = stream_.due();
      if (!due) break;
      const Millis wait = *due - (clock_.steady() - start_);
      if (wait > Millis{0}) {
        failure = flush();
        ::usleep(static_cast<useconds_t>(std::min(wait, Millis{100}).count() * 1000));
        continue;
      }
      const auto draft = stream_.take();
      if (!draft) continue;
      body_ += draft_json(*draft) + "\n";
      ++waiting_;
      if (waiting_ >= kBatchCount || body_.size() >= kBatchBytes) failure = flush();
    }
    if (!failure) failure = flush();
    progress_.clear();
    report_.stopped = stop_asked != 0;
    if (failure) return *failure;
    return report_;
  }

 private:
  std::optional<Error> flush() {
    if (waiting_ == 0) return std::nullopt;
    Error last{Errc::unavailable, {}};
    for (int attempt = 0; attempt < kPatience && stop_asked < 2; ++attempt) {
      auto answer = api_.ask("POST", "/v1/updates", {{"content-type", "application/x-ndjson"}}, body_);
      const auto document = answer ? json::parse(answer->body) : Result<json::Document>(answer.error());
      const json::Value* results = document ? json::find(*document, "results") : nullptr;
      if (results != nullptr && results->IsArray() && results->Size() == waiting_) {
        count(*results);
        return std::nullopt;
      }
      last = answer ? problem_of(*answer) : answer.error();
      if (answer && answer->status < 500) return last;  // asking again would not help
      ++report_.resent;  // every draft has its event_id: those that were kept come back as duplicates
      ::usleep(kPause);
    }
    return last;
  }

  void count(const json::Value& results) {
    for (const json::Value& result : results.GetArray()) {
      const std::uint64_t number = number_++;
      if (const json::Value* error = json::find(result, "error"); error != nullptr) {
        if (report_.refused++ < 20)
          progress_.note(stream_.origin(number) + " refused: " + json::text(*error));
        continue;
      }
      const auto duplicate = json::bool_member(result, "duplicate");
      ++(duplicate && duplicate->value_or(false) ? report_.duplicates : report_.published);
      if (const auto durability = json::string_member(result, "durability"); durability && *durability)
        report_.durability = **durability;
    }
    waiting_ = 0;
    body_.clear();
    report_.seconds = std::chrono::duration<double>(clock_.steady() - start_).count();
    progress_.show(report_);
  }

  Api api_;
  DraftStream& stream_;
  Progress progress_;
  SystemClock clock_;
  Instant start_{};
  FeedReport report_;
  std::string body_;
  std::size_t waiting_ = 0;
  std::uint64_t number_ = 0;
};

}  // namespace

Result<FeedReport> feed_http(const ClusterFile& cluster, DraftStream& stream, const FeedOptions& options) {
  stop_asked = 0;
  const auto ask_to_stop = [](int) { stop_asked = stop_asked + 1; };
  ::signal(SIGINT, ask_to_stop);
  ::signal(SIGTERM, ask_to_stop);
  return HttpFeed(cluster, stream, options).run();
}

}  // namespace tocsin::ops
