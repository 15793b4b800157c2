#pragma once
// AlertWatch: looks at the cluster's processes every so often and posts what is wrong, and when it is over,
// to a webhook: for those without Prometheus. Does nothing without alerts.webhook_url.
//
// Invariant: one look and one post at a time; what was posted is in alerts.json before it counts as told, so
// that the next supervisor neither repeats nor forgets it. Thread: the supervisor's loop.
#include <memory>
#include <string>

#include "common/http/client.h"
#include "common/loop/handles.h"
#include "ops/supervisor/alerts/alert_book.h"
#include "ops/supervisor/alerts/alert_rules.h"
#include "ops/supervisor/cluster.h"
#include "ops/supervisor/edge_watch.h"
#include "ops/supervisor/metrics.h"

namespace tocsin::ops {

class AlertWatch {
 public:
  AlertWatch(loop::Loop& loop, http::Context& local, const Clock& clock, const Config& config,
             Metrics& metrics, Folder folder, const Cluster& cluster, const EdgeWatch& edges);

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
  Folder folder_;
  const Cluster& cluster_;
  const EdgeWatch& edges_;
  AlertRules rules_;
  AlertBook book_;
  http::Client asker_;                      ///< of our own processes
  std::unique_ptr<http::Context> outside_;  ///< believes certificates, unlike the one for this machine
  std::unique_ptr<http::Client> poster_;
  std::string token_;
  loop::Timer timer_, post_timer_;
  std::size_t asking_ = 0;
  bool posting_ = false;
  bool failing_ = false;
};

}  // namespace tocsin::ops
