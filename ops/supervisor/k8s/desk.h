#pragma once
// Desk: a cluster whose edges are pods of a StatefulSet, as moves and the admin API see it. Kubernetes starts
// and stops the pods and their own preStop hook drains them; the desk says whither their clients go, gives
// newcomers their share, and carries out orders. It sees pods and set by watching the API server, changes the
// number by the scale subresource, keeps plans in a ConfigMap, and does all of that only while the lease is
// its own.
//
// Invariant: without the lease nothing is asked of edges or changed in Kubernetes; when a lease that was ours
// is lost, on_lost is called and nothing is done any more. Never on the data path: when this process is dead,
// pods drain as they are told by their hooks. Thread: the supervisor's loop.
#include <set>

#include "common/loop/handles.h"
#include "ops/cluster/cluster_file.h"
#include "ops/cluster/folder.h"
#include "ops/supervisor/config.h"
#include "ops/supervisor/k8s/api.h"
#include "ops/supervisor/k8s/lease.h"
#include "ops/supervisor/k8s/pods.h"
#include "ops/supervisor/k8s/scaler.h"
#include "ops/supervisor/k8s/store.h"
#include "ops/supervisor/site.h"

namespace tocsin::ops::k8s {

class Desk final : public Site {
 public:
  static constexpr Millis kTick{100};

  struct World {
    loop::Loop& loop;
    const Clock& clock;
    Random& random;
    Metrics& metrics;
    http::Context& edges;  ///< trusts the edges' authority
    Api& api;
  };
  struct Names {
    std::string name_space;
    std::string identity;
    std::string admin_url;
    std::string admin_token;
    std::string admin_token_file;
    std::string broker_public_key;
  };

  Desk(const World& world, const Config& config, Folder folder, Names names, std::function<void()> on_lost);

  void start();
  /// Gives the lease up and calls back, in any case soon.
  void stop(std::function<void()> stopped);

  [[nodiscard]] Status takes_orders() const override;
  [[nodiscard]] bool ready() const override;
  [[nodiscard]] health::Checks checks() const override;
  [[nodiscard]] std::string status_json() const override;
  void count(Metrics& metrics) const override;
  [[nodiscard]] Moves& moves() override { return moves_; }
  void tick() override;
  [[nodiscard]] Result<Release> next_release(const json::Value& body) const override;
  [[nodiscard]] Status set_maintenance(bool on) override;
  void set_cordon(const std::string& edge, bool on, std::function<void(Result<Told>)> answer) override;
  [[nodiscard]] std::vector<Watched> watched() const override;
  [[nodiscard]] const std::string& token() const override { return watch_.token(); }
  /// What the webhook was told, kept with the plans.
  [[nodiscard]] std::string told() const;
  [[nodiscard]] Status set_told(const std::string& text);

  [[nodiscard]] std::vector<EdgeView> edges() const override { return views_of(facts()); }
  [[nodiscard]] std::vector<std::string> scaled() const override;
  [[nodiscard]] std::string name_of(std::uint64_t ordinal) const override;
  [[nodiscard]] bool edges_know_revisions() const override { return false; }
  [[nodiscard]] BrokerView broker() const override { return {}; }
  [[nodiscard]] Release release() const override { return {}; }
  [[nodiscard]] bool maintenance() const override;
  [[nodiscard]] std::int64_t wall_ms() const override { return clock_.wall_ms(); }
  [[nodiscard]] Status persist(const Record& record) override;
  void post(const std::string& edge, const std::string& what, const std::string& body,
            std::function<void(Status)> answer) override;
  [[nodiscard]] std::set<std::string> cordoned() const override;
  void cordon(const std::string& edge, bool on) override;
  [[nodiscard]] Status start_edge(const std::string& name, const Release& release) override;
  void replace_edge(const std::string& name, const Release& release) override;
  void retire_edge(const std::string& name) override;
  void replace_broker(const Release& release) override;

 private:
  [[nodiscard]] Facts facts() const { return {pods_, set_, watch_}; }
  [[nodiscard]] std::vector<EdgeWatch::Target> targets() const;
  [[nodiscard]] std::optional<EdgeWatch::Target> target(const std::string& edge) const;
  [[nodiscard]] bool in_charge() const { return loaded_ && lease_.mine(clock_.steady()); }

  // desk_api.cc: what is asked of the API server
  void drive(Reflector& reflector);
  void drive_lease();
  void drive_store();
  void drive_scaler();
  void note_trouble();

  void take_charge();
  void lead();
  void guide_leavers(const std::vector<Stand>& stands);
  void give_shares(const std::vector<Stand>& stands);
  void forget_cordons();
  void ask_broker();
  void write_cluster_file();
  [[nodiscard]] ClusterFile file() const;

  const Clock& clock_;
  Metrics& metrics_;
  const Config& config_;
  Folder folder_;
  Names names_;
  Api& api_;
  std::function<void()> on_lost_;
  PodTable pods_;
  SetTable set_;
  Reflector pod_watch_, set_watch_;
  Lease lease_;
  Store store_;
  Scaler scaler_;
  EdgeWatch watch_;
  Leavers leavers_;
  Newcomers newcomers_;
  Moves moves_;
  http::Client client_;  ///< asks the broker how it is
  bool broker_ready_ = false;
  Instant broker_next_{};
  bool loaded_ = false;
  bool over_ = false;                            ///< lost the lease, or stopping
  std::vector<Stand> sharers_;                   ///< for whom
  std::string sharing_;                          ///< id of the rebalance that newcomers caused
  std::map<std::string, std::string> troubles_;  ///< as last logged, by what they are about
  std::string written_file_;
  loop::Timer timer_;
};

}  // namespace tocsin::ops::k8s
