#pragma once
// Desk: a cluster whose processes others run - containers of one host, units of several machines - as moves
// and the admin API see it. It finds the edges by looking members.edges up over and over and asking each
// address who it is; it starts and stops nothing. Plans are files of the cluster's folder.
//
// Invariant: a change of what the next supervisor must know is on disk before it counts. Never on the data
// path: when this process is dead, an edge that is stopped drains by itself. Thread: the supervisor's loop.
#include <set>

#include "common/loop/handles.h"
#include "common/loop/resolver.h"
#include "ops/cluster/cluster_file.h"
#include "ops/supervisor/config.h"
#include "ops/supervisor/members/notes.h"
#include "ops/supervisor/members/roster.h"
#include "ops/supervisor/plan_files.h"
#include "ops/supervisor/reloads.h"
#include "ops/supervisor/site.h"

namespace tocsin::ops::members {

class Desk final : public Site {
 public:
  static constexpr Millis kTick{100};
  static constexpr Millis kTroubled{
      3'000};  ///< a trouble that lasts so long is told: an edge is just starting

  struct World {
    loop::Loop& loop;
    const Clock& clock;
    Metrics& metrics;
    http::Context& edges;  ///< trusts the edges' authority
  };
  struct Names {
    std::string admin_url;
    std::string admin_token;
    std::string admin_token_file;
    std::string broker_public_key;
  };

  Desk(const World& world, const Config& config, Folder folder, Names names);

  /// Goes on with what the folder holds. Fails with corrupt or io, and a sentence for people.
  [[nodiscard]] Status start(std::vector<Address> addresses);
  void stop();
  /// After a reload.
  void use(std::vector<Address> addresses, std::string admin_token);
  /// Broker and edges, for reloads.
  [[nodiscard]] std::vector<Reloads::Process> processes() const;

  [[nodiscard]] Status takes_orders() const override { return Done{}; }
  [[nodiscard]] bool ready() const override { return roster_.synced(); }
  [[nodiscard]] health::Checks checks() const override;
  [[nodiscard]] std::string status_json() const override;
  void count(Metrics& metrics) const override;
  [[nodiscard]] Moves& moves() override { return moves_; }
  void tick() override;
  [[nodiscard]] Result<Release> next_release(const json::Value& body) const override;
  [[nodiscard]] Status can_scale() const override;
  [[nodiscard]] Status set_maintenance(bool on) override;
  void set_cordon(const std::string& edge, bool on, std::function<void(Result<Told>)> answer) override;
  [[nodiscard]] std::vector<Watched> watched() const override;
  [[nodiscard]] const std::string& token() const override { return watch_.token(); }

  [[nodiscard]] std::vector<EdgeView> edges() const override;
  [[nodiscard]] BrokerView broker() const override { return {}; }
  [[nodiscard]] Release release() const override { return {}; }
  [[nodiscard]] bool maintenance() const override { return notes_.maintenance; }
  [[nodiscard]] std::int64_t wall_ms() const override { return clock_.wall_ms(); }
  [[nodiscard]] Status persist(const Record& record) override { return plans_.persist(record); }
  void post(const std::string& edge, const std::string& what, const std::string& body,
            std::function<void(Status)> answer) override;
  [[nodiscard]] std::set<std::string> cordoned() const override { return notes_.cordoned; }
  void cordon(const std::string& edge, bool on) override;
  // Only scalings and rolling restarts ask for these, and both are refused.
  [[nodiscard]] Status start_edge(const std::string& /*name*/, const Release& /*release*/) override {
    return can_scale();
  }
  void replace_edge(const std::string& /*name*/, const Release& /*release*/) override {}
  void retire_edge(const std::string& /*name*/) override {}
  void replace_broker(const Release& /*release*/) override {}

 private:
  struct Trouble {
    std::string what;
    Instant since{};
    bool logged = false;
  };

  [[nodiscard]] std::string notes_file() const { return folder_.root + "/members.json"; }
  [[nodiscard]] EdgeWatch::Target target_at(const std::string& url) const;
  [[nodiscard]] std::optional<EdgeWatch::Target> target(const std::string& edge) const;
  [[nodiscard]] EdgeView view_of(const std::string& edge, const std::string& url) const;
  [[nodiscard]] Status save(Notes next);
  [[nodiscard]] Status set_cordoned(const std::string& edge, bool on);
  void look_up();
  void look_up(const Address& address);
  void look_up_broker();
  void hear();
  void ask_broker();

  // desk_status.cc: what people are told
  [[nodiscard]] std::map<std::string, std::string> troubles_now() const;
  [[nodiscard]] bool told(const Trouble& trouble) const {
    return clock_.steady() - trouble.since >= kTroubled;
  }
  void note_troubles();
  [[nodiscard]] ClusterFile file() const;
  void write_cluster_file();

  const Clock& clock_;
  Metrics& metrics_;
  const Config& config_;
  Folder folder_;
  Names names_;
  Notes notes_;
  PlanFiles plans_;
  Roster roster_;
  loop::Resolver resolver_;
  EdgeWatch watch_;
  Moves moves_;
  http::Client client_;    ///< asks the broker how it is
  bool unsaved_ = false;   ///< the last notes could not be written
  std::string broker_at_;  ///< broker.http_url with an address for its name; empty: it has none
  std::string broker_trouble_;
  bool broker_ready_ = false;
  Instant broker_next_{};
  std::set<std::string> asked_;  ///< addresses that are being looked up
  Instant lookup_next_{};
  std::map<std::string, Trouble> troubles_;  ///< by what they are about
  std::string written_file_;
  loop::Timer timer_;
};

}  // namespace tocsin::ops::members
