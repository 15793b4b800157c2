#include "tests/checker/evidence.h"

#include <algorithm>
#include <iterator>

namespace tocsin::checker {

struct Evidence::Walk {
  struct Last {
    Offset offset = 0;
    const Entry* entry = nullptr;
  };
  std::map<std::uint32_t, Last> incidents;  // key -> newest change so far
  std::map<Offset, bool> endings;           // of replaced offsets: did it end
  Offset contiguous_from = 1;               // everything from here to `at` was seen
  Offset at = 0;
};

std::uint32_t Evidence::view_id(const View& view) {
  const auto [it, added] = view_ids_.try_emplace(view.identity(), static_cast<std::uint32_t>(views_.size()));
  if (added) views_.push_back(view);
  return it->second;
}

void Evidence::skipped(std::uint32_t log, std::uint32_t view, Offset from, Offset to, std::uint32_t who) {
  auto& claims = skips_[{log, view}];
  auto it = claims.upper_bound(from);
  if (it != claims.begin()) from = std::max(from, std::prev(it)->second.to + 1);
  while (from <= to) {  // only what nobody claimed yet
    const Offset end = it == claims.end() ? to : std::min(to, it->first - 1);
    if (from <= end) claims.emplace_hint(it, from, Claim{end, who});
    if (it == claims.end()) return;
    from = it->second.to + 1;
    ++it;
  }
}

void Evidence::ended(std::uint32_t log, std::uint32_t view, Offset offset, std::uint32_t who) {
  endings_[{log, view}].try_emplace(offset, who);
}

void Evidence::replaced(std::uint32_t log, Offset old, Offset by, std::uint32_t who) {
  replaced_[log].push_back({old, by, who});
}

void Evidence::snapshot(std::uint32_t log, std::uint32_t view, Offset at, std::vector<SnapshotRow> rows,
                        std::uint32_t who) {
  std::sort(rows.begin(), rows.end());
  auto& all = snapshots_[log];
  const auto [first, last] = all.equal_range(at);
  for (auto it = first; it != last; ++it)
    if (it->second.view == view && it->second.rows == rows) return;
  all.emplace(at, Snapshot{view, std::move(rows), who});
}

Answer3 Evidence::ends_of(const Entry& entry, const Walk& walk) const {
  if (!traits_.at(entry.traits).over()) return Answer3::no;
  if (entry.version == 1) return Answer3::yes;
  const auto before = walk.incidents.find(entry.key);
  const bool whole = walk.contiguous_from == 1;
  if (before == walk.incidents.end()) return whole && entry.version == 0 ? Answer3::yes : Answer3::unknown;
  if (!whole && (entry.version == 0 || before->second.entry->version + 1 != entry.version))
    return Answer3::unknown;
  return traits_.at(before->second.entry->traits).over() ? Answer3::no : Answer3::yes;
}

void Evidence::judge_skips(std::uint32_t id, Offset offset, const Entry& entry, Answer3 ends,
                           const Names& clients) {
  const Log& log = logs_.at(id);
  const Traits& traits = traits_.at(entry.traits);
  const std::string& key = keys_.text(entry.key);
  for (auto it = skips_.lower_bound({id, 0}); it != skips_.end() && it->first.first == id; ++it) {
    const auto claim = it->second.upper_bound(offset);
    if (claim == it->second.begin() || std::prev(claim)->second.to < offset) continue;
    if (views_[it->first.second].passes(traits, key, ends) == Answer3::yes)
      findings_.report("filter", clients.text(std::prev(claim)->second.who) + ": " + log.name(offset) +
                                     " was declared skipped, but matches the filter {" +
                                     views_[it->first.second].identity() + "}");
  }
  if (ends != Answer3::no) return;
  for (auto it = endings_.lower_bound({id, 0}); it != endings_.end() && it->first.first == id; ++it)
    if (const auto who = it->second.find(offset); who != it->second.end())
      findings_.report("filter", clients.text(who->second) + ": " + log.name(offset) +
                                     " passed an `active` filter, but its incident was over before");
}

void Evidence::judge_entry(std::uint32_t id, Offset offset, const Entry& entry, Walk& walk,
                           const Names& clients) {
  if (walk.at + 1 != offset) walk.contiguous_from = offset;
  walk.at = offset;
  const Answer3 ends = ends_of(entry, walk);
  judge_skips(id, offset, entry, ends, clients);
  if (entry.incident == 0) return;
  auto& last = walk.incidents[entry.key];
  if (last.entry != nullptr && last.offset >= walk.contiguous_from &&
      entry.version != last.entry->version + 1 && entry.version != 0)
    findings_.report("version", logs_.at(id).name(offset) + ": incident " + keys_.text(entry.key) +
                                    " goes from version " + std::to_string(last.entry->version) + " to " +
                                    std::to_string(entry.version));
  last = {offset, &entry};
  if (ends == Answer3::yes) walk.endings.emplace(offset, true);
}

void Evidence::judge_replaced(const Log& log, const Replaced& r, const Walk& walk, const Names& clients) {
  const auto says = [&](const std::string& what) {
    findings_.report("replaces", clients.text(r.who) + ": " + log.name(r.by) + " replaces " +
                                     std::to_string(r.old) + ", " + what);
  };
  if (r.old >= r.by) says("which is not older");
  const Entry* old = log.at(r.old);
  const Entry* by = log.at(r.by);
  if (old == nullptr || by == nullptr) return;
  if (old->key != by->key) says("which has another key");
  const auto severity = traits_.at(old->traits).members.find("severity");
  if (severity != traits_.at(old->traits).members.end() && severity->second == "P0") says("which is P0");
  if (walk.endings.contains(r.old)) says("which ended its incident");
}

void Evidence::judge_snapshot(const Log& log, Offset at, const Snapshot& snapshot, const Walk& walk,
                              const Names& clients) {
  const bool whole = walk.contiguous_from == 1 && walk.at == at;
  const View& view = views_[snapshot.view];
  const auto says = [&](std::uint32_t key, const std::string& what) {
    findings_.report("snapshot", clients.text(snapshot.who) + ": snapshot at " + log.name(at) +
                                     ": incident " + keys_.text(key) + " " + what);
  };
  auto row = snapshot.rows.begin();
  for (std::uint32_t before = ~0U; row != snapshot.rows.end(); before = row->key, ++row) {
    if (row->key == before) says(row->key, "stands in it twice");
    const auto last = walk.incidents.find(row->key);
    if (last == walk.incidents.end()) {
      if (whole) says(row->key, "was never in the channel");
    } else if (walk.at == at && last->second.offset >= walk.contiguous_from) {
      if (last->second.entry->incident != row->incident)
        says(row->key, "is not as " + std::to_string(last->second.offset) + " left it");
      if (!view.holds(traits_.at(last->second.entry->traits), keys_.text(row->key)))
        says(row->key, "does not match the filter");
    }
  }
  if (walk.at != at) return;
  for (const auto& [key, last] : walk.incidents) {
    if (last.offset < walk.contiguous_from || !view.holds(traits_.at(last.entry->traits), keys_.text(key)))
      continue;
    const auto it = std::lower_bound(snapshot.rows.begin(), snapshot.rows.end(), SnapshotRow{key, 0});
    if (it == snapshot.rows.end() || it->key != key)
      says(key, "is missing; " + std::to_string(last.offset) + " left it matching");
  }
}

void Evidence::judge_log(std::uint32_t id, const Names& clients) {
  const Log& log = logs_.at(id);
  Walk walk;
  const auto& shots = snapshots_[id];
  auto shot = shots.begin();
  const auto shots_before = [&](Offset offset) {
    for (; shot != shots.end() && shot->first < offset; ++shot)
      judge_snapshot(log, shot->first, shot->second, walk, clients);
  };
  log.each(1, ~Offset{0}, [&](Offset offset, const Entry& entry) {
    shots_before(offset);
    judge_entry(id, offset, entry, walk, clients);
  });
  shots_before(~Offset{0});
  for (const Replaced& r : replaced_[id]) judge_replaced(log, r, walk, clients);
}

void Evidence::judge(const Names& clients) {
  for (std::uint32_t id = 0; id < logs_.size(); ++id) judge_log(id, clients);
}

}  // namespace tocsin::checker
