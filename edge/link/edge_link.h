#pragma once
// EdgeLink: the edge's side of the reliable link (architecture section 4, proto/LINK.md) over a wire that
// loses, repeats and reorders. Says Hello, keeps heartbeats, declares interest again on every new session
// with the broker, repairs gaps by reading the log, sends unanswered requests again, and knows whether the
// edge is ready.
//
//   offline --(on_connected or tick: Hello)--> greeting --(Welcome)--> online --(silence, Refused,
//   on_disconnected)--> offline
//
// Invariant: what FeedSink is told of a channel is contiguous from on_attached's head, each offset once.
// Sans-IO. Thread: the loop.
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "edge/broker_port.h"
#include "edge/config.h"
#include "edge/link/link_wire.h"

namespace tocsin::trace {
class Tracer;
}

namespace tocsin::edge {

struct Metrics;

/// What heartbeats say of this edge: see link::EdgeInfo.
struct EdgeReport {
  std::uint32_t clients = 0;
  std::string_view state = "starting";
  std::uint32_t clients_max = 0;
  std::uint32_t take_per_s = 0;
  std::uint32_t load = 0;
  std::uint32_t weight = 100;
  link::Traffic traffic{};
};

class EdgeLink final : public BrokerPort {
 public:
  /// Random numbers for instance, refs and event ids: cryptographic in a process, seeded in the simulation.
  using Random = std::function<std::uint64_t()>;

  EdgeLink(const Config& config, const Clock& clock, LinkWire& wire, Random random, Metrics& metrics);
  ~EdgeLink() override;

  /// Where updates go. Before the first on_bytes(); `sink` outlives the link's last call.
  void attach_sink(FeedSink& sink);
  /// What Hello and heartbeats say of this edge. A changed endpoint is said with the next Hello.
  /// From now on publishes of sampled updates are traced.
  void trace(trace::Tracer& tracer) noexcept;
  void describe_self(std::string revision, std::string endpoint);
  void report(const EdgeReport& report);

  // ---- inputs
  void on_connected();
  void on_disconnected();
  /// One message from the broker. Bytes that are no known message are counted and dropped.
  void on_bytes(std::string_view bytes);
  /// Every 100 ms: heartbeats, silence, deadlines, repeats.
  void tick();

  // ---- readiness
  /// True while the broker takes updates and its canary was seen to move less than 3 s ago.
  [[nodiscard]] bool ready() const override;
  /// Empty when ready(), else one sentence for /health/ready.
  [[nodiscard]] std::string not_ready_reason() const;
  /// Name of the cluster, empty until the broker was reached once.
  [[nodiscard]] const std::string& cluster() const;

  // ---- BrokerPort
  void want(const std::string& channel) override;
  void unwant(const std::string& channel) override;
  void publish(std::vector<Draft> drafts, Answer<std::vector<link::PublishOutcome>> answer) override;
  void read(const std::string& channel, Position after, std::uint32_t max_bytes,
            Answer<link::ReadResult> answer) override;
  void snapshot(const std::string& channel, const std::string& cursor,
                Answer<link::SnapshotPage> answer) override;
  void cancel_snapshot(const std::string& channel, const std::string& cursor) override;
  void list_incidents(link::ListIncidents query, Answer<link::IncidentsPage> answer) override;
  void get_incident(link::GetIncident query, Answer<link::IncidentsPage> answer) override;
  void get_channel(const std::string& channel, Answer<link::ChannelInfo> answer) override;
  void put_session(link::SessionRecord record, bool connected) override;
  void put_sessions(std::vector<link::SessionRecord> records) override;
  void claim_session(const std::string& id, std::uint64_t fence, const std::string& subject,
                     Answer<link::SessionState> answer) override;
  void drop_session(const std::string& id, std::uint64_t fence) override;
  void stage_sessions(const std::string& target, std::vector<link::SessionRecord> records,
                      Answer<link::StageAnswer> answer) override;
  void session_moved(link::SessionMoved moved) override;
  void revoke(std::vector<link::Revocation> revocations, Answer<link::RevokeAnswer> answer) override;
  bool report_counts(const link::CountsReport& report) override;
  [[nodiscard]] const std::vector<link::EdgeInfo>& edges() const override;
  [[nodiscard]] link::Traffic traffic() const override;
  [[nodiscard]] const std::string& ticket_key() const override;
  [[nodiscard]] const std::vector<std::string>& ticket_keys() const override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tocsin::edge
