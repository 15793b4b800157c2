#pragma once
// DataFolder: the broker's folder on disk, held by one process. Files: FORMAT.md section 1.
// Invariant: while it lives, no other process holds the folder. Thread: claim() and restored() at start-up;
// note_commit() on the storage thread.
#include <cstdint>
#include <string>
#include <string_view>

#include "common/result.h"

namespace tocsin::broker {

class DataFolder {
 public:
  /// Makes the folder if it is missing, locks it, and checks that it belongs to `cluster_id`; a new folder
  /// gets the id, or `new_id` when `cluster_id` is empty, with establish(). Fails with io (not writable, held
  /// by another process) or conflict (another cluster's), in a sentence that says what to do; the folder is
  /// then unchanged.
  [[nodiscard]] static Result<DataFolder> claim(const std::string& path, const std::string& cluster_id,
                                                const std::string& new_id);
  ~DataFolder();
  DataFolder(DataFolder&& other) noexcept;
  DataFolder& operator=(DataFolder&&) = delete;

  [[nodiscard]] const std::string& cluster_id() const noexcept { return cluster_id_; }
  [[nodiscard]] std::string database() const { return path_ + "/log.db"; }

  /// CLUSTER was there: so was a log, and it must be there still.
  [[nodiscard]] bool established() const noexcept { return established_; }
  /// Writes CLUSTER into a new folder, once its log is there. Fails with io.
  [[nodiscard]] Status establish();

  /// A backup was put in place (the marker RESTORED, or a used log in a folder without CLUSTER), or the
  /// database is older than the newest commit noted.
  [[nodiscard]] bool restored(std::uint64_t commits_in_database) const;
  /// Removes the marker, after the new epochs are committed.
  void forget_restored();
  /// Notes the number of the newest commit outside the database, before it is acknowledged. Not synced: after
  /// a power cut it may say less than the database, never more.
  void note_commit(std::uint64_t number);

 private:
  DataFolder(std::string path, int lock_fd, int commits_fd);
  std::string path_;
  int lock_fd_ = -1;
  int commits_fd_ = -1;
  std::string cluster_id_;
  bool established_ = false;
};

}  // namespace tocsin::broker
