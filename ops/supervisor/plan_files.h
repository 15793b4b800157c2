#pragma once
// PlanFiles: the records of moves as files of the cluster's folder, plans/ID.json.
//
// Invariant: what persist() took is on disk. Blocking for moments. Thread: the supervisor's loop.
#include <map>
#include <string>
#include <vector>

#include "ops/cluster/folder.h"
#include "ops/supervisor/metrics.h"
#include "ops/supervisor/moves/record.h"

namespace tocsin::ops {

class PlanFiles {
 public:
  PlanFiles(Folder folder, Metrics& metrics) : folder_(std::move(folder)), metrics_(metrics) {}

  /// What an earlier supervisor left. A plan that does not read back is left alone and named in the log.
  [[nodiscard]] std::vector<Record> load();
  /// Fails with io; the file is as it was then. A new phase is logged.
  [[nodiscard]] Status persist(const Record& record);
  void forget(const std::string& id);

 private:
  void log_change(const Record& record);

  Folder folder_;
  Metrics& metrics_;
  std::map<std::string, Phase> phases_;  ///< as last logged
};

}  // namespace tocsin::ops
