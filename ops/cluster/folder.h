#pragma once
// Folder: the names of everything in a cluster's folder, and the lock that keeps a second owner out.
//
//   cluster.json    where the processes are          keys/   CURVE keys (0700)      data/  the broker's log
//   supervisor.json processes to adopt, ports kept   logs/   one *.log a process    run/   ready files, locks
//   admin.token     bearer token of the admin API (0600)           plans/ one *.json a drain, migration, ...
//
// Values; the lock is held by the process that made it until it exits, however it exits.
#include <string>

#include "common/clock.h"
#include "common/result.h"

namespace tocsin::ops {

struct Folder {
  std::string root;  ///< absolute

  [[nodiscard]] std::string cluster_file() const { return root + "/cluster.json"; }
  [[nodiscard]] std::string state_file() const { return root + "/supervisor.json"; }
  [[nodiscard]] std::string token_file() const { return root + "/admin.token"; }
  [[nodiscard]] std::string data() const { return root + "/data"; }
  [[nodiscard]] std::string keys() const { return root + "/keys"; }
  [[nodiscard]] std::string allowed_keys() const { return root + "/keys/allow"; }
  [[nodiscard]] std::string key_file(const std::string& name) const {
    return root + "/keys/" + name + ".json";
  }
  [[nodiscard]] std::string allowed_key_file(const std::string& name) const {
    return root + "/keys/allow/" + name + ".pub";
  }
  [[nodiscard]] std::string broker_public_key_file() const { return root + "/keys/broker.pub"; }
  [[nodiscard]] std::string logs() const { return root + "/logs"; }
  [[nodiscard]] std::string log_file(const std::string& name) const {
    return root + "/logs/" + name + ".log";
  }
  [[nodiscard]] std::string plans() const { return root + "/plans"; }
  [[nodiscard]] std::string plan_file(const std::string& id) const { return root + "/plans/" + id + ".json"; }
  [[nodiscard]] std::string run() const { return root + "/run"; }
  [[nodiscard]] std::string ready_file(const std::string& name) const {
    return root + "/run/" + name + ".ready";
  }
  [[nodiscard]] std::string lock_file(const std::string& name) const {
    return root + "/run/" + name + ".lock";
  }
};

/// Makes the folder `path` and those in it where they are missing. Fails with io and a sentence that says
/// what to do.
[[nodiscard]] Result<Folder> open_folder(const std::string& path);

class FolderLock {
 public:
  /// Fails with conflict (the detail names the holder's pid) when another process holds it, or io.
  /// Waits up to `patience` for the other one to let go.
  [[nodiscard]] static Result<FolderLock> take(const std::string& path, Millis patience = Millis{0});
  FolderLock(FolderLock&& other) noexcept;
  FolderLock& operator=(FolderLock&&) = delete;
  FolderLock(const FolderLock&) = delete;
  ~FolderLock();

 private:
  explicit FolderLock(int fd) noexcept : fd_(fd) {}
  int fd_;
};

}  // namespace tocsin::ops
