#include "ops/supervisor/k8s/guide.h"

#include <algorithm>

namespace tocsin::ops::k8s {

std::vector<std::string> targets_of(const Stand& of, const std::vector<Stand>& all) {
  std::vector<std::string> any, newest;
  for (const Stand& one : all) {
    if (one.name == of.name || one.leaving || !one.takes) continue;
    any.push_back(one.name);
    if (one.newest) newest.push_back(one.name);
  }
  return newest.empty() ? any : newest;
}

std::vector<Leavers::Order> Leavers::due(const std::vector<Stand>& all, Instant now) {
  std::vector<Order> out;
  std::set<std::string> there;
  for (const Stand& one : all) {
    if (!one.leaving) continue;
    const std::string id = "leaving-" + one.uid;
    there.insert(id);
    std::vector<std::string> targets = targets_of(one, all);
    // One without clients has nothing to move; without targets its own drain waits for some.
    if (!one.heard || one.clients == 0 || targets.empty()) continue;
    const auto [told, first] = told_.try_emplace(id);
    if (told->second.took && told->second.targets == targets) continue;
    if (!first && now - told->second.asked < kAgain) continue;
    told->second = {targets, now, false};
    out.push_back({one.name, id, std::move(targets)});
  }
  std::erase_if(told_, [&](const auto& entry) { return !there.contains(entry.first); });
  return out;
}

void Leavers::took(const std::string& id, const std::vector<std::string>& targets) {
  const auto told = told_.find(id);
  if (told != told_.end() && told->second.targets == targets) told->second.took = true;
}

bool Newcomers::due(const std::vector<Stand>& all, Instant now) {
  std::set<std::string> there;
  bool busy = false, starting = false;
  for (const Stand& one : all) {
    if (one.takes && !one.leaving) there.insert(one.uid);
    busy = busy || one.leaving || !one.newest;
    starting = starting || one.starting;
  }
  if (there != seen_) {
    seen_ = there;
    changed_ = now;
  }
  if (there.empty()) return false;
  std::erase_if(known_, [&](const std::string& uid) { return !there.contains(uid); });
  const bool news = !std::includes(known_.begin(), known_.end(), there.begin(), there.end());
  if (!news || busy || now - changed_ < kCalm) return false;
  return !starting || now - changed_ >= kPatience;
}

void Newcomers::settled(const std::vector<Stand>& all) {
  for (const Stand& one : all)
    if (one.takes) known_.insert(one.uid);
}

}  // namespace tocsin::ops::k8s
