#include "ops/supervisor/plan_files.h"

#include <dirent.h>
#include <unistd.h>

#include "common/log/log.h"
#include "ops/cluster/file.h"

namespace tocsin::ops {
namespace {

std::vector<std::string> files_in(const std::string& folder) {
  std::vector<std::string> out;
  DIR* dir = ::opendir(folder.c_str());
  if (dir == nullptr) return out;
  while (const dirent* entry = ::readdir(dir)) {
    const std::string name = entry->d_name;
    if (name.ends_with(".json")) out.push_back(folder + "/" + name);
  }
  ::closedir(dir);
  return out;
}

}  // namespace

std::vector<Record> PlanFiles::load() {
  std::vector<Record> records;
  for (const std::string& file : files_in(folder_.plans())) {
    const auto text = read_file(file);
    auto record = text ? Record::parse(*text) : Result<Record>(text.error());
    if (record) {
      phases_[record->id] = record->phase;
      records.push_back(*std::move(record));
    } else {
      log::error("a plan does not read back", {{"file", file}, {"reason", record.error().detail}});
    }
  }
  return records;
}

void PlanFiles::log_change(const Record& record) {
  const auto known = phases_.find(record.id);
  if (known != phases_.end() && known->second == record.phase) return;
  phases_[record.id] = record.phase;
  log::info("a plan goes on", {{"plan", record.id},
                               {"phase", to_text(record.phase)},
                               {"edge", record.edge.empty() ? record.order.edge : record.edge},
                               {"reason", record.reason}});
  if (record.phase == Phase::failed) metrics_.moves_failed.add();
}

Status PlanFiles::persist(const Record& record) {
  auto saved = write_atomically(folder_.plan_file(record.id), record.to_json());
  if (saved) log_change(record);
  return saved;
}

void PlanFiles::forget(const std::string& id) {
  ::unlink(folder_.plan_file(id).c_str());
  phases_.erase(id);
}

}  // namespace tocsin::ops
