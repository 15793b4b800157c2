#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "common/http/ws_client.h"
#include "common/loop/handles.h"
#include "ops/ctl/api.h"
#include "ops/ctl/commands.h"
#include "ops/ctl/exit_codes.h"
#include "ops/ctl/filter_args.h"
#include "ops/ctl/stream_view.h"
#include "ops/ctl/update_view.h"

namespace tocsin::ops {
namespace {

constexpr Millis kFirstDelay{100};
constexpr Millis kMaxDelay{3'000};
constexpr std::uint16_t kUnauthenticated = 4401;

/// One stream over as many sockets as it takes.
class Tail {
 public:
  Tail(const TailOptions& options, std::string cluster_path, ClusterFile cluster, StreamView::Wish wish,
       Millis quiet)
      : options_(options),
        cluster_path_(std::move(cluster_path)),
        cluster_(std::move(cluster)),
        view_(std::move(wish)),
        quiet_(quiet),
        colour_(::isatty(STDOUT_FILENO) == 1 ? Colour::on : Colour::off),
        http_(loop_, trust_for(cluster_, options.ca)),
        retry_(loop_),
        silence_(loop_),
        flush_(loop_, [this] { write_out(); }),
        signals_(loop_, {SIGINT, SIGTERM}, [this](int) { finish(kExitOk); }) {
    for (std::size_t i = 0; i < cluster_.edges.size(); ++i)
      if (cluster_.edges[i].id == options_.edge) next_edge_ = i;
  }

  int run() {
    connect();
    if (quiet_ > Millis{0}) silence_.start(quiet_, [this] { finish(kExitOk); });
    while (!done_) loop_.run();
    write_out();
    if (view_.position() && !options_.json)
      std::fprintf(stderr, "tocsinctl: to go on from here: --since %s\n",
                   position_text(*view_.position()).c_str());
    return exit_code_;
  }

 private:
  void connect() {
    // Restarted processes may have moved: the file says where they are now.
    if (auto fresh = load_cluster_file(cluster_path_)) cluster_ = *std::move(fresh);
    if (cluster_.edges.empty()) return fail("the cluster has no edges", kExitUnavailable);
    const auto& edge = cluster_.edges[next_edge_ % cluster_.edges.size()];
    edge_ = edge.id;
    closing_delay_.reset();
    socket_ = std::make_unique<http::WsClient>(
        http_, http::WsClient::Events{
                   .on_open = [this] { socket_->send_text(view_.subscribe_frame()); },
                   .on_text = [this](std::string_view text) { on_text(text); },
                   .on_close = [this](std::uint16_t code,
                                      std::string_view reason) { on_close(code, std::string(reason)); }});
    // Read anew: whoever issues tokens replaces the file in time.
    const auto token = token_for(options_.token_file);
    if (!token) return fail(token.error().detail, kExitUsage);
    if (auto ok = socket_->connect(edge.ws, "tocsin.v1.json", bearer(*token)); !ok)
      fail(ok.error().detail, kExitFailure);
  }

  void on_text(std::string_view text) {
    if (done_) return;
    const auto frame = json::parse(text);
    if (!frame || !frame->IsObject()) return note("the edge sent something that is no JSON object");
    using What = StreamView::Seen::What;
    const auto seen = view_.take(*frame);
    switch (seen.what) {
      case What::nothing:
        break;
      case What::subscribed:
        note(std::exchange(subscribed_before_, true) ? "back on " + edge_ + ", " + seen.text
                                                     : "on " + edge_ + ", " + seen.text);
        delay_ = Millis{0};
        break;
      case What::gap:
        gap(seen.text);
        break;
      case What::snapshot:
        show_snapshot(*frame, text);
        break;
      case What::refused:
        return fail(seen.text, kExitFailure);
      case What::closing:
        closing_delay_ = Millis{seen.retry_after_ms};
        note(edge_ + " closes: " + seen.text);
        break;
      case What::update:
        break;
    }
    if (json::find(*frame, "incident") != nullptr || json::find(*frame, "event") != nullptr)
      show_update(*frame, text);
  }

  void show_update(const json::Value& frame, std::string_view text) {
    put(options_.json ? std::string(text) : update_line(frame, colour_));
    if (quiet_ > Millis{0}) silence_.start(quiet_, [this] { finish(kExitOk); });
    if (options_.count != 0 && view_.updates() >= options_.count) finish(kExitOk);
  }

  void show_snapshot(const json::Value& frame, std::string_view text) {
    if (options_.json) return put(std::string(text));
    const json::Value* rows = json::find(frame, "incidents");
    if (rows == nullptr || !rows->IsArray()) return;
    for (const json::Value& incident : rows->GetArray()) put("now       " + incident_line(incident, colour_));
  }

  void on_close(std::uint16_t code, const std::string& reason) {
    if (done_) return;
    if (code == kUnauthenticated && !subscribed_before_)
      return fail("the edge does not take the token: " + reason + " (--token-file or $TOCSIN_TOKEN)",
                  kExitFailure);
    ++next_edge_;
    // Each edge once at once, then with growing pauses; an edge that names a delay knows better.
    delay_ = delay_ == Millis{0} ? kFirstDelay : std::min(kMaxDelay, delay_ * 2);
    const Millis wait = std::max(delay_, closing_delay_.value_or(Millis{0}));
    if (delay_ == kFirstDelay || delay_ == kMaxDelay)
      note("connection to " + edge_ + " ended (" + std::to_string(code) +
           (reason.empty() ? "" : ", " + reason) + "); trying the next edge");
    retry_.start(wait,
                 [this] { connect(); });  // the old socket is let go of there, not inside its own callback
  }

  /// What people must know goes to stderr, so that stdout stays data; with --json a gap is also a line of
  /// data.
  void gap(const std::string& text) {
    if (options_.json) put("{\"type\":\"gap\",\"detail\":" + json::quoted(text) + "}");
    note("GAP: " + text);
  }
  void note(const std::string& text) {
    write_out();
    std::fprintf(stderr, "tocsinctl: %s\n", text.c_str());
  }
  void put(const std::string& line) {
    out_ += line;
    out_ += '\n';
    flush_.request();
  }
  void write_out() {
    if (out_.empty()) return;
    const bool written =
        std::fwrite(out_.data(), 1, out_.size(), stdout) == out_.size() && std::fflush(stdout) == 0;
    out_.clear();
    if (!written) finish(kExitOk);  // the reader of the pipe has seen enough
  }

  void fail(const std::string& sentence, int code) {
    note(sentence);
    finish(code);
  }
  void finish(int code) {
    if (std::exchange(done_, true)) return;
    exit_code_ = code == kExitOk && view_.lost() > 0 ? kExitPartly : code;
    loop_.stop();
  }

  const TailOptions& options_;
  std::string cluster_path_;
  ClusterFile cluster_;
  StreamView view_;
  const Millis quiet_;
  const Colour colour_;
  loop::Loop loop_;
  http::Context http_;
  loop::Timer retry_;
  loop::Timer silence_;
  loop::TurnHook flush_;
  loop::Signals signals_;
  std::unique_ptr<http::WsClient> socket_;
  std::string edge_;
  std::string out_;
  std::size_t next_edge_ = 0;
  Millis delay_{0};
  std::optional<Millis> closing_delay_;
  bool subscribed_before_ = false;
  bool done_ = false;
  int exit_code_ = kExitOk;
};

}  // namespace

int run_tail(const TailOptions& options) {
  auto filter = parse_filter_words(options.filter);
  if (!filter) return complain(filter.error());
  StreamView::Wish wish{options.channel, *std::move(filter), std::nullopt, options.snapshot};
  if (!options.since.empty()) {
    const auto since = parse_position(options.since);
    if (!since) return complain("--since " + since.error().detail, kExitUsage);
    wish.since = *since;
  }
  Millis quiet{0};
  if (!options.until_quiet.empty()) {
    const auto parsed = parse_duration(options.until_quiet);
    if (!parsed) return complain("--until-quiet " + parsed.error().detail, kExitUsage);
    quiet = *parsed;
  }
  const auto path = find_cluster_file(options.cluster);
  if (!path) return complain(path.error().detail, kExitUnavailable);
  auto file = load_cluster_file(*path);
  if (!file) return complain(file.error().detail, kExitUnavailable);
  return Tail(options, *path, *std::move(file), std::move(wish), quiet).run();
}

}  // namespace tocsin::ops
