#pragma once
// Pods: what is known of the pods that are edges, and of the StatefulSet whose number is ours to change; and
// what that makes of each edge. Filled by two Reflectors. Pure. Thread: the supervisor's loop.
#include <map>
#include <string>
#include <vector>

#include "ops/supervisor/edge_watch.h"
#include "ops/supervisor/k8s/guide.h"
#include "ops/supervisor/k8s/objects.h"
#include "ops/supervisor/k8s/reflector.h"
#include "ops/supervisor/moves/port.h"

namespace tocsin::ops::k8s {

class PodTable final : public Reflector::Sink {
 public:
  void clear() override { pods_.clear(); }
  void put(const json::Value& object) override;
  void drop(const json::Value& object) override { pods_.erase(meta_text(object, "name")); }
  [[nodiscard]] const std::map<std::string, Pod>& all() const noexcept { return pods_; }

 private:
  std::map<std::string, Pod> pods_;
};

class SetTable final : public Reflector::Sink {
 public:
  void clear() override { set_ = {}; }
  void put(const json::Value& object) override { set_ = parse_set(object); }
  void drop(const json::Value& /*object*/) override { set_ = {}; }
  /// Nameless while there is none.
  [[nodiscard]] const StatefulSet& get() const noexcept { return set_; }

 private:
  StatefulSet set_;
};

/// Everything that one look needs. An edge of the own set that is wanted and has no pod yet is one too.
struct Facts {
  const PodTable& pods;
  const SetTable& set;
  const EdgeWatch& watch;
};

/// Ranks of EdgeView::release.revision: which pods are of the revision that is made now.
inline constexpr std::uint64_t kOlder = 1, kNewest = 2;

/// The own set's by ordinal, then those of other sets.
[[nodiscard]] std::vector<EdgeView> views_of(const Facts& facts);
[[nodiscard]] std::vector<Stand> stands_of(const Facts& facts);
[[nodiscard]] bool leaving(const Pod& pod, const StatefulSet& set);
/// "http://{ip}:8080" of a pod; empty while it has no address.
[[nodiscard]] std::string url_of(const std::string& pattern, const Pod& pod, const std::string& name_space);

}  // namespace tocsin::ops::k8s
