#include "edge/link/edge_link.h"

#include <algorithm>
#include <utility>

#include "common/log/log.h"
#include "common/trace/tracer.h"
#include "edge/link/feeds.h"
#include "edge/link/requests.h"
#include "edge/link/session_puts.h"
#include "edge/metrics.h"

namespace tocsin::edge {
namespace {

constexpr Millis kHelloAgain{1'000};
constexpr Millis kCanaryFresh{3'000};
/// Received bytes after which the broker is told at once, so that its lag bound does not hold updates back.
constexpr std::uint64_t kAckBytes = 256 * 1024;

std::string hex(std::uint64_t value) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out(16, '0');
  for (std::size_t i = 16; i-- > 0; value >>= 4) out[i] = kDigits[value & 15];
  return out;
}

template <typename T>
Requests::Handler expect(Answer<T> answer) {
  return [answer = std::move(answer)](Result<link::Message> message) {
    if (!message) return answer(message.error());
    T* found = std::get_if<T>(&*message);
    if (found == nullptr) return answer(Error{Errc::internal, "the broker answered with another message"});
    if constexpr (std::is_same_v<T, link::StageAnswer>) {
      if (!found->fault.ok() && found->accepted == 0) return answer(link::error_of(found->fault));
    } else if constexpr (requires { found->fault; }) {
      if (!found->fault.ok()) return answer(link::error_of(found->fault));
    }
    answer(std::move(*found));
  };
}

/// The asker's number in an answer; 0 in a message that answers nothing.
template <typename M>
std::uint64_t ref_of(const M& message) {
  if constexpr (requires { message.ref; })
    return message.ref;
  else
    return 0;
}

}  // namespace

struct EdgeLink::State {
  enum class Stage : std::uint8_t { offline, greeting, online };

  State(const Config& config_in, const Clock& clock_in, LinkWire& wire_in, Random random_in,
        Metrics& metrics_in)
      : config(config_in),
        clock(clock_in),
        wire(wire_in),
        random(std::move(random_in)),
        metrics(metrics_in),
        instance(random()),
        requests({config.link_request_timeout, static_cast<std::size_t>(config.link_publish_queue_bytes)},
                 clock, wire, (random() >> 2) | 1, metrics),
        feeds(config, clock, wire, requests, metrics),
        puts(clock, wire) {}

  void say_hello();
  void go_offline();
  void beat();
  void fill_event_id(Draft& draft) const;
  Answer<std::vector<link::PublishOutcome>> traced(const std::vector<Draft>& drafts,
                                                   Answer<std::vector<link::PublishOutcome>> answer);
  [[nodiscard]] bool canary_fresh() const { return canary_seen && clock.steady() - canary_at < kCanaryFresh; }

  void on(link::Welcome welcome);
  void on(const link::Refused& refused);
  void on(link::BrokerHeartbeat heartbeat);
  void on(const link::InterestAck& ack) { feeds.on_head(ack.head); }
  void on(link::Updates updates) {
    if (updates.committed_us != 0) measure(updates);
    feeds.on_updates(std::move(updates));
  }
  /// Two hosts' clocks: what they say to be before the commit counts as no time at all.
  void measure(const link::Updates& updates) const {
    const auto us = clock.wall_us() - static_cast<std::int64_t>(updates.committed_us);
    metrics.commit_arrival_seconds.observe(static_cast<double>(std::max<std::int64_t>(us, 0)) / 1e6,
                                           static_cast<std::int64_t>(updates.records.size()));
  }
  void on(const link::SessionFenced& fenced) {
    if (sink != nullptr) sink->on_session_fenced(fenced.id, fenced.fence);
  }
  void on(const link::StageSessions& staged);
  void on(const link::SessionMoved& moved) {
    if (sink != nullptr) sink->on_session_moved(moved);
  }
  void on(const link::Revocations& message);
  void on(const link::CountsTold& message) {
    if (sink != nullptr) sink->on_counts(message);
  }
  void on(link::TicketKeys message) { take_keys(std::move(message.keys), {}); }
  void take_keys(std::vector<std::string> keys, std::string only);
  template <typename M>
  void on(M message) {
    const std::uint64_t ref = ref_of(message);
    if (ref == 0) return metrics.link_bad_messages.add();  // an edge's own kind of message, sent to an edge
    requests.answer(ref, std::move(message));  // nobody waits: it came twice, or after its deadline
  }

  /// Asks a question that may be repeated.
  template <typename T, typename M>
  void ask(M message, Answer<T> answer) {
    message.ref = requests.next_ref();
    requests.ask(message.ref, link::encode(message), Requests::Again::yes, expect<T>(std::move(answer)));
  }

  const Config& config;
  const Clock& clock;
  LinkWire& wire;
  Random random;
  Metrics& metrics;
  FeedSink* sink = nullptr;
  trace::Tracer* tracer = nullptr;  ///< null: no traces

  const std::uint64_t instance;
  std::string revision;
  std::string endpoint;
  link::EdgeHeartbeat self;  ///< what the next heartbeat says

  Stage stage = Stage::offline;
  Instant hello_at{};
  Instant heard_at{};
  Instant beat_at{};
  Millis heartbeat{1'000};
  std::uint64_t received_bytes = 0;
  std::uint64_t acked_bytes = 0;
  std::uint64_t broker_instance = 0;
  std::string cluster;
  std::vector<std::string> ticket_keys;  ///< the first signs
  std::vector<link::EdgeInfo> edges;
  std::uint64_t revocation_list = 0;  ///< the broker's; what was known of another one stays known
  std::uint64_t revocations = 0;      ///< all of it up to this number were told
  link::Traffic traffic;
  std::string refusal;
  std::string broker_not_ready;
  bool canary_seen = false;
  std::uint64_t canary = 0;
  Instant canary_at{};

  Requests requests;
  Feeds feeds;
  SessionPuts puts;
  /// (channel, after, size) of a read under way -> who else wants its answer.
  using ReadKey = std::tuple<std::string, Position, std::uint32_t>;
  std::map<ReadKey, std::vector<Answer<link::ReadResult>>> shared_reads;
};

void EdgeLink::State::say_hello() {
  stage = Stage::greeting;
  hello_at = clock.steady();
  wire.send(link::encode(link::Hello{link::kVersion, "edge", config.id, instance, revision, endpoint}));
}

void EdgeLink::State::go_offline() {
  if (stage == Stage::online) log::warn("the broker is gone", {{"endpoint", config.broker_endpoint}});
  stage = Stage::offline;
  canary_seen = false;
  requests.offline();
  feeds.offline();
  puts.offline();
  metrics.link_ready.set(0);
}

void EdgeLink::State::beat() {
  beat_at = clock.steady();
  acked_bytes = received_bytes;
  ++self.seq;
  self.received_bytes = received_bytes;
  wire.send(link::encode(self));
}

void EdgeLink::State::fill_event_id(Draft& draft) const {
  if (draft.event_id.empty()) draft.event_id = hex(random()) + hex(random());
}

void EdgeLink::State::on(link::Welcome welcome) {
  // A second Welcome in a session answers a Hello that came twice: the broker forgot our interest, not our
  // requests.
  const bool fresh = stage != Stage::online || welcome.instance != broker_instance;
  stage = Stage::online;
  broker_instance = welcome.instance;
  cluster = std::move(welcome.cluster);
  take_keys(std::move(welcome.ticket_keys), std::move(welcome.ticket_key));
  heartbeat = std::clamp(Millis{welcome.heartbeat_ms}, Millis{100}, Millis{10'000});
  refusal.clear();
  received_bytes = 0;
  feeds.online();
  if (sink != nullptr) sink->on_welcomed();
  if (!fresh) return beat();
  canary_seen = false;
  broker_not_ready.clear();
  metrics.link_sessions.add();
  log::info("the broker welcomed this edge",
            {{"cluster", cluster}, {"channels", feeds.size()}, {"unanswered", requests.unanswered()}});
  beat();
  requests.online(welcome.publish_window);
  puts.online();
}

/// Told again at each Welcome from the beginning; in between a hole shows that a message was lost.
void EdgeLink::State::on(const link::Revocations& message) {
  if (message.list != revocation_list && message.after == 0) {
    revocation_list = message.list;
    revocations = 0;
  }
  if (sink != nullptr && !message.revocations.empty()) sink->on_revocations(message.revocations);
  if (message.list != revocation_list || message.after > revocations) {
    wire.send(link::encode(link::RevocationsAsk{revocation_list, revocations}));
    return;
  }
  revocations = std::max(revocations, message.last);
}

/// An older broker names `only` one.
void EdgeLink::State::take_keys(std::vector<std::string> keys, std::string only) {
  if (keys.empty() && !only.empty()) keys.push_back(std::move(only));
  if (!keys.empty()) ticket_keys = std::move(keys);
}

void EdgeLink::State::on(const link::StageSessions& staged) {
  link::StageAnswer answer =
      sink != nullptr ? sink->on_stage(staged)
                      : link::StageAnswer{0, {}, 0, link::fault_of({Errc::unavailable, "starting"})};
  answer.ref = staged.ref;
  answer.to = staged.from;
  wire.send(link::encode(answer));
}

void EdgeLink::State::on(const link::Refused& refused) {
  const bool forgotten = stage == Stage::online;
  if (refusal != refused.fault.detail)
    log::warn("the broker refused this edge",
              {{"code", refused.fault.code}, {"detail", refused.fault.detail}});
  refusal = refused.fault.detail;
  go_offline();
  // Forgotten (a pause longer than its patience, or a restart the transport hid): introduce ourselves again
  // at once.
  if (forgotten) say_hello();
}

void EdgeLink::State::on(link::BrokerHeartbeat beat_in) {
  if (stage != Stage::online) return;
  if (!canary_seen || beat_in.canary != canary) {
    canary_seen = true;
    canary = beat_in.canary;
    canary_at = clock.steady();
  }
  broker_not_ready = std::move(beat_in.not_ready);
  edges = std::move(beat_in.edges);
  traffic = beat_in.traffic;
  for (const link::Head& head : beat_in.heads) feeds.on_head(head);
}

EdgeLink::EdgeLink(const Config& config, const Clock& clock, LinkWire& wire, Random random, Metrics& metrics)
    : state_(std::make_unique<State>(config, clock, wire, std::move(random), metrics)) {}
EdgeLink::~EdgeLink() = default;

void EdgeLink::attach_sink(FeedSink& sink) {
  state_->sink = &sink;
  state_->feeds.attach_sink(sink);
}
void EdgeLink::trace(trace::Tracer& tracer) noexcept { state_->tracer = &tracer; }
void EdgeLink::describe_self(std::string revision, std::string endpoint) {
  state_->revision = std::move(revision);
  state_->endpoint = std::move(endpoint);
}
void EdgeLink::report(const EdgeReport& report) {
  link::EdgeHeartbeat& self = state_->self;
  const bool news = self.state != report.state;
  self.clients = report.clients;
  self.state = report.state;
  self.clients_max = report.clients_max;
  self.take_per_s = report.take_per_s;
  self.load = report.load;
  self.weight = report.weight;
  self.traffic = report.traffic;
  // Who sends clients here, or no more, is not to wait for the next heartbeat.
  if (news && state_->stage == State::Stage::online) state_->beat();
}

void EdgeLink::on_connected() {
  state_->go_offline();
  state_->say_hello();
}
void EdgeLink::on_disconnected() { state_->go_offline(); }

void EdgeLink::on_bytes(std::string_view bytes) {
  State& s = *state_;
  auto message = link::decode(bytes);
  if (!message) return s.metrics.link_bad_messages.add();
  s.heard_at = s.clock.steady();
  if (std::holds_alternative<link::Updates>(*message)) {
    s.received_bytes += bytes.size();
    if (s.stage == State::Stage::online && s.received_bytes - s.acked_bytes >= kAckBytes) s.beat();
  }
  std::visit([&s](auto&& m) { s.on(std::move(m)); }, std::move(*message));
}

void EdgeLink::tick() {
  State& s = *state_;
  const Instant now = s.clock.steady();
  if (s.stage == State::Stage::online && now - s.heard_at >= s.config.link_silence) s.go_offline();
  if (s.stage != State::Stage::online && now - s.hello_at >= kHelloAgain) s.say_hello();
  if (s.stage == State::Stage::online && now - s.beat_at >= s.heartbeat) s.beat();
  s.feeds.tick();
  s.requests.tick();
  s.puts.tick();
  s.metrics.link_ready.set(ready() ? 1 : 0);
}

bool EdgeLink::ready() const {
  return state_->stage == State::Stage::online && state_->broker_not_ready.empty() && state_->canary_fresh();
}
std::string EdgeLink::not_ready_reason() const {
  const State& s = *state_;
  if (s.stage != State::Stage::online) {
    if (!s.refusal.empty()) return "the broker refused this edge: " + s.refusal;
    return "no connection to the broker at " + s.config.broker_endpoint;
  }
  if (!s.broker_not_ready.empty()) return "the broker takes no updates: " + s.broker_not_ready;
  return s.canary_fresh() ? "" : "no canary update from the broker for 3 s";
}
const std::string& EdgeLink::cluster() const { return state_->cluster; }

void EdgeLink::want(const std::string& channel) { state_->feeds.want(channel); }
void EdgeLink::unwant(const std::string& channel) { state_->feeds.unwant(channel); }

/// The answer, which ends the spans of the updates among the drafts that are traced.
Answer<std::vector<link::PublishOutcome>> EdgeLink::State::traced(
    const std::vector<Draft>& drafts, Answer<std::vector<link::PublishOutcome>> answer) {
  std::vector<std::pair<std::size_t, trace::Span>> spans;
  for (std::size_t i = 0; i < drafts.size(); ++i)
    if (const Draft& draft = drafts[i]; tracer->sampled(draft.event_id, draft.trace))
      spans.emplace_back(i, trace::Span{trace::Stage::publish,
                                        draft.event_id,
                                        draft.channel,
                                        0,
                                        clock.wall_us(),
                                        0,
                                        true,
                                        {},
                                        draft.trace});
  if (spans.empty()) return answer;
  return [this, spans = std::move(spans),
          answer = std::move(answer)](Result<std::vector<link::PublishOutcome>> outcomes) mutable {
    for (auto& [index, span] : spans) {
      span.end_us = clock.wall_us();
      if (!outcomes)
        span.error = describe(outcomes.error().code).name;
      else if (index < outcomes->size())
        span.error = (*outcomes)[index].fault.code, span.offset = (*outcomes)[index].position.offset;
      tracer->add(std::move(span));
    }
    answer(std::move(outcomes));
  };
}

void EdgeLink::publish(std::vector<Draft> drafts, Answer<std::vector<link::PublishOutcome>> answer) {
  State& s = *state_;
  const std::size_t count = drafts.size();
  for (Draft& draft : drafts) s.fill_event_id(draft);
  if (s.tracer != nullptr) answer = s.traced(drafts, std::move(answer));
  auto handler =
      expect<link::PublishResult>([answer = std::move(answer), count](Result<link::PublishResult> result) {
        if (!result) return answer(result.error());
        if (result->outcomes.size() != count)
          return answer(Error{Errc::internal, "the broker answered for another number of updates"});
        answer(std::move(result->outcomes));
      });
  if (count == 0)
    return s.requests.refuse({Errc::invalid_argument, "nothing to publish"}, std::move(handler));
  const std::uint64_t ref = s.requests.next_ref();
  s.requests.publish(ref, link::encode(link::Publish{ref, std::move(drafts)}),
                     static_cast<std::uint32_t>(count), std::move(handler));
}

void EdgeLink::read(const std::string& channel, Position after, std::uint32_t max_bytes,
                    Answer<link::ReadResult> answer) {
  State& s = *state_;
  State::ReadKey key{channel, after, max_bytes};
  auto& waiting = s.shared_reads[key];
  waiting.push_back(std::move(answer));
  if (waiting.size() > 1) return;
  s.ask<link::ReadResult>(link::Read{0, channel, after.epoch, after.offset, 0, max_bytes},
                          [&s, key = std::move(key)](Result<link::ReadResult> result) {
                            // Taken out first: an answer that asks again begins a new read.
                            auto askers = std::move(s.shared_reads.extract(key).mapped());
                            for (auto& asker : askers) asker(result);
                          });
}

void EdgeLink::snapshot(const std::string& channel, const std::string& cursor,
                        Answer<link::SnapshotPage> answer) {
  state_->ask(link::SnapshotNext{0, channel, cursor, false}, std::move(answer));
}
void EdgeLink::cancel_snapshot(const std::string& channel, const std::string& cursor) {
  State& s = *state_;
  if (s.stage == State::Stage::online)
    s.wire.send(link::encode(link::SnapshotNext{s.requests.next_ref(), channel, cursor, true}));
}
void EdgeLink::list_incidents(link::ListIncidents query, Answer<link::IncidentsPage> answer) {
  state_->ask(std::move(query), std::move(answer));
}
void EdgeLink::get_incident(link::GetIncident query, Answer<link::IncidentsPage> answer) {
  state_->ask(std::move(query), std::move(answer));
}
void EdgeLink::get_channel(const std::string& channel, Answer<link::ChannelInfo> answer) {
  state_->ask(link::GetChannel{0, channel}, std::move(answer));
}

void EdgeLink::put_sessions(std::vector<link::SessionRecord> records) {
  state_->puts.put(std::move(records));
}
void EdgeLink::put_session(link::SessionRecord record, bool connected) {
  state_->puts.put(std::move(record), connected);
}
void EdgeLink::claim_session(const std::string& id, std::uint64_t fence, const std::string& subject,
                             Answer<link::SessionState> answer) {
  State& s = *state_;
  const std::uint64_t ref = s.requests.next_ref();
  // Not repeated: every claim raises the fence, a second one would fence our own socket.
  s.requests.ask(ref, link::encode(link::SessionClaim{ref, id, s.config.id, fence, subject}),
                 Requests::Again::never, expect<link::SessionState>(std::move(answer)));
}
void EdgeLink::drop_session(const std::string& id, std::uint64_t fence) {
  State& s = *state_;
  s.puts.drop(id);
  if (s.stage == State::Stage::online) s.wire.send(link::encode(link::SessionDrop{id, fence}));
}
void EdgeLink::stage_sessions(const std::string& target, std::vector<link::SessionRecord> records,
                              Answer<link::StageAnswer> answer) {
  state_->ask(link::StageSessions{0, {}, target, std::move(records)}, std::move(answer));
}
void EdgeLink::session_moved(link::SessionMoved moved) {
  State& s = *state_;
  if (s.stage == State::Stage::online) s.wire.send(link::encode(moved));
}
void EdgeLink::revoke(std::vector<link::Revocation> revocations, Answer<link::RevokeAnswer> answer) {
  state_->ask(link::Revoke{0, std::move(revocations)}, std::move(answer));
}
bool EdgeLink::report_counts(const link::CountsReport& report) {
  State& s = *state_;
  return s.stage == State::Stage::online && s.wire.send(link::encode(report));
}
const std::vector<link::EdgeInfo>& EdgeLink::edges() const { return state_->edges; }
link::Traffic EdgeLink::traffic() const { return state_->traffic; }
const std::string& EdgeLink::ticket_key() const {
  static const std::string kNone;
  return state_->ticket_keys.empty() ? kNone : state_->ticket_keys.front();
}
const std::vector<std::string>& EdgeLink::ticket_keys() const { return state_->ticket_keys; }

}  // namespace tocsin::edge
