#pragma once
// AlertWatch: looks at the cluster's processes every so often and posts what is wrong, and when it is over,
// to a webhook: for those without Prometheus. Does nothing without alerts.webhook_url.
//
// Invariant: one look and one post at a time, none by a supervisor that takes no orders; what was posted is
// remembered before it counts as told, so that the next supervisor neither repeats nor forgets it. Thread:
// the supervisor's loop.
#include <functional>
#include <memory>
#include <string>

#include "common/http/client.h"
#include "common/loop/handles.h"
#include "ops/cluster/folder.h"
#include "ops/supervisor/alerts/alert_book.h"
#include "ops/supervisor/alerts/alert_rules.h"
#include "ops/supervisor/metrics.h"
#include "ops/supervisor/site.h"

namespace tocsin::ops {

class AlertWatch {
 public:
  /// What the webhook was told, for the next supervisor.
  struct Memory {
    std::function<std::string()> recall;  ///< empty: nothing
    std::function<Status(const std::string&)> remember;
  };
  /// In alerts.json of the folder.
  [[nodiscard]] static Memory in_file(const Folder& folder);

  struct World {
    loop::Loop& loop;
    http::Context& processes;  ///< how their /metrics are reached
    const Clock& clock;
    Metrics& metrics;
  };
  AlertWatch(const World& world, const Config& config, const Site& site, Memory memory);

  /// Fails with invalid_argument (the URL) or io (the token's file); nothing is started then.
  [[nodiscard]] Status start();

 private:
  void look();
  void judged(ClusterLook look);
  void post();
  [[nodiscard]] std::string body_of(const Notice& notice) const;
  void on_answer(const Notice& notice, const Result<http::Response>& answer);

  loop::Loop& loop_;
  const Clock& clock_;
  const Config& config_;
  Metrics& metrics_;
  const Site& site_;
  Memory memory_;
  AlertRules rules_;
  AlertBook book_;
  http::Client asker_;                      ///< of the cluster's processes
  std::unique_ptr<http::Context> outside_;  ///< believes the webhook's authorities
  std::unique_ptr<http::Client> poster_;
  std::string token_;
  loop::Timer timer_, post_timer_;
  std::size_t asking_ = 0;
  bool recalled_ = false;
  bool posting_ = false;
  bool failing_ = false;
};

}  // namespace tocsin::ops
