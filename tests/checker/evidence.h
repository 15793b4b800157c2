#pragma once
// Evidence: claims that can only be judged when the whole history is read, because the update that proves
// them wrong may stand in another client's lines. Equal claims of many clients are kept once. Thread: one.
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tests/checker/log.h"
#include "tests/checker/verdict.h"
#include "tests/checker/view.h"

namespace tocsin::checker {

struct SnapshotRow {
  std::uint32_t key = 0;
  Hash incident = 0;
  auto operator<=>(const SnapshotRow&) const = default;
};

class Evidence {
 public:
  Evidence(Logs& logs, Names& keys, TraitsTable& traits, Findings& findings)
      : logs_(logs), keys_(keys), traits_(traits), findings_(findings) {}

  std::uint32_t view_id(const View& view);
  [[nodiscard]] const View& view(std::uint32_t id) const { return views_[id]; }

  /// `who` says that from..to holds nothing for this view.
  void skipped(std::uint32_t log, std::uint32_t view, Offset from, Offset to, std::uint32_t who);
  /// `who` was given an update of an incident that is over, through an `active` view.
  void ended(std::uint32_t log, std::uint32_t view, Offset offset, std::uint32_t who);
  void replaced(std::uint32_t log, Offset old, Offset by, std::uint32_t who);
  void snapshot(std::uint32_t log, std::uint32_t view, Offset at, std::vector<SnapshotRow> rows,
                std::uint32_t who);
  /// Judges everything.
  void judge(const Names& clients);

 private:
  using Scope = std::pair<std::uint32_t, std::uint32_t>;  // log, view
  struct Claim {
    Offset to;
    std::uint32_t who;
  };
  struct Snapshot {
    std::uint32_t view;
    std::vector<SnapshotRow> rows;
    std::uint32_t who;
  };
  struct Replaced {
    Offset old;
    Offset by;
    std::uint32_t who;
  };
  struct Walk;  // state while a log is walked in offset order

  void judge_log(std::uint32_t id, const Names& clients);
  void judge_entry(std::uint32_t id, Offset offset, const Entry& entry, Walk& walk, const Names& clients);
  void judge_skips(std::uint32_t id, Offset offset, const Entry& entry, Answer3 ends, const Names& clients);
  void judge_replaced(const Log& log, const Replaced& r, const Walk& walk, const Names& clients);
  void judge_snapshot(const Log& log, Offset at, const Snapshot& snapshot, const Walk& walk,
                      const Names& clients);
  Answer3 ends_of(const Entry& entry, const Walk& walk) const;

  Logs& logs_;
  Names& keys_;
  TraitsTable& traits_;
  Findings& findings_;
  std::vector<View> views_;
  std::unordered_map<std::string, std::uint32_t> view_ids_;
  std::map<Scope, std::map<Offset, Claim>> skips_;            // disjoint ranges
  std::map<Scope, std::map<Offset, std::uint32_t>> endings_;  // offset -> who
  std::map<std::uint32_t, std::vector<Replaced>> replaced_;   // log -> ...
  std::map<std::uint32_t, std::multimap<Offset, Snapshot>> snapshots_;
};

}  // namespace tocsin::checker
