#pragma once
// WalAhead: fills the write-ahead log's file with zeros up to its usual size, while nobody waits for a
// commit. An fdatasync after an append also has to store where the file's new blocks are; over blocks that
// are there it takes a fraction of the time. Once SQLite has begun the file anew, after its first copying
// back, it writes over it by itself.
//
// Invariant: only what lies behind the end of the file is written, so SQLite's frames are not touched; to
// SQLite zeros are the end of the log, also when it recovers. Nothing is done on a disk that has little room.
// Thread: the storage thread, between two commits.
#include <cstdint>
#include <string>

namespace tocsin::broker {

class WalAhead {
 public:
  WalAhead(std::string wal_path, std::uint64_t bytes) : path_(std::move(wal_path)), bytes_(bytes) {}
  ~WalAhead();
  WalAhead(const WalAhead&) = delete;
  WalAhead& operator=(const WalAhead&) = delete;

  /// Writes one piece more. False when there is no more to do, or it cannot be done.
  bool step();

 private:
  [[nodiscard]] bool open();

  const std::string path_;
  const std::uint64_t bytes_;
  int fd_ = -1;
  bool over_ = false;
};

}  // namespace tocsin::broker
