// What an update costs the hub with many filters on one channel: N clients, each with a filter of its own,
// and updates that a chosen number of them match. The cost is to follow the matches, not N. Sockets are
// counters; time is this process's CPU time.
#include <cstdio>
#include <ctime>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "edge/hub/hub.h"
#include "edge/metrics.h"
#include "proto/link_message.h"

namespace tocsin::edge {
namespace {

constexpr int kUpdates = 2'000;

class NoBroker final : public BrokerPort {
 public:
  void want(const std::string&) override {}
  void unwant(const std::string&) override {}
  void publish(std::vector<Draft>, Answer<std::vector<link::PublishOutcome>>) override {}
  void read(const std::string&, Position, std::uint32_t, Answer<link::ReadResult>) override {}
  void snapshot(const std::string&, const std::string&, Answer<link::SnapshotPage>) override {}
  void cancel_snapshot(const std::string&, const std::string&) override {}
  void list_incidents(link::ListIncidents, Answer<link::IncidentsPage>) override {}
  void get_incident(link::GetIncident, Answer<link::IncidentsPage>) override {}
  void get_channel(const std::string&, Answer<link::ChannelInfo>) override {}
  void put_session(link::SessionRecord, bool) override {}
  void claim_session(const std::string&, std::uint64_t, const std::string&,
                     Answer<link::SessionState>) override {}
  void drop_session(const std::string&, std::uint64_t) override {}
  void stage_sessions(const std::string&, std::vector<link::SessionRecord>,
                      Answer<link::StageAnswer>) override {}
  void session_moved(link::SessionMoved) override {}
  [[nodiscard]] const std::vector<link::EdgeInfo>& edges() const override { return edges_; }
  [[nodiscard]] const std::string& ticket_key() const override { return keys_.front(); }
  [[nodiscard]] const std::vector<std::string>& ticket_keys() const override { return keys_; }

 private:
  std::vector<link::EdgeInfo> edges_;
  std::vector<std::string> keys_{""};
};

class Counter final : public Outlet {
 public:
  [[nodiscard]] bool busy(Socket) const override { return false; }
  Sent write(Socket, std::string_view) override {
    ++writes;
    return Sent::all;
  }
  void close(Socket, CloseReason, std::string_view) override {}
  [[nodiscard]] std::size_t max_batch(Socket) const override { return 65'536; }
  std::size_t writes = 0;
};

double cpu_us() {
  timespec now{};
  (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

/// `groups` clients share a service label: each update matches that many.
void measure(int filters, int groups) {
  const Config config;
  const SystemClock clock;
  metrics::Registry registry;
  Metrics metrics{registry};
  NoBroker broker;
  Counter outlet;
  Hub hub(config, clock, broker, outlet, metrics);
  for (int i = 0; i < filters; ++i) {
    Client& client = hub.add_client(&outlet, {});
    client.max_batch = 65'536;
    Subscribe subscribe;
    subscribe.id = "s";
    subscribe.channel = "c";
    // All different: the service decides, the kinds only tell the filters of one group apart.
    subscribe.filter.labels["service"] = {"s" + std::to_string(i / groups)};
    subscribe.filter.kind = {"other" + std::to_string(i), "updated"};
    subscribe.filter.normalise();
    (void)hub.subscribe(client, std::move(subscribe));
  }
  hub.attached({"c", Epoch{1}, 1, 0}, {});
  while (hub.turn()) {
  }
  outlet.writes = 0;
  const double start = cpu_us();
  for (int i = 0; i < kUpdates; ++i) {
    Update update;
    update.offset = static_cast<Offset>(i) + 1;
    update.event_id = "e" + std::to_string(i);
    update.kind = "updated";
    update.key = "INC" + std::to_string(i);
    update.incident =
        R"({"id":")" + update.key + R"(","severity":"P2","status":"triaged","labels":{"service":"s)" +
        std::to_string(i % (filters / groups)) + R"("},"description":")" + std::string(100, 'x') + "\"}";
    hub.updates("c", {{update.offset, std::make_shared<const std::string>(link::encode_update(update))}});
    while (hub.turn()) {
    }
  }
  const double each = (cpu_us() - start) / kUpdates;
  std::printf("%8d %8d %14.2f %18.3f\n", filters, groups, static_cast<double>(outlet.writes) / kUpdates,
              each);
}

}  // namespace
}  // namespace tocsin::edge

int main() {
  std::printf("%8s %8s %14s %18s\n", "filters", "matches", "writes/update", "CPU us/update");
  for (const int filters : {100, 1'000, 10'000}) tocsin::edge::measure(filters, 1);
  for (const int matches : {10, 100}) tocsin::edge::measure(10'000, matches);
}
