#pragma once
// FileSink: a file that is appended to, and renamed to FILE.1, FILE.2 ... when it is full.
//
// Invariant: only whole lines stand in the file: after a write that the disk took in part the next begins on
// a line of its own. A file that cannot be opened, written or renamed stops nothing: the bytes are handed
// back, and it is tried again, opened at most once a second. Thread: the writer's.
#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "common/log/sink.h"

namespace tocsin::log {

class FileSink final : public Sink {
 public:
  struct Rotation {
    std::int64_t bytes = 0;  ///< 0: never
    std::int64_t keep = 1;
  };
  FileSink(std::string path, Rotation rotation);
  ~FileSink() override;

  std::size_t write(std::string_view lines) override;
  void reopen() override;
  /// Why the last write or opening failed; 0: it did not.
  [[nodiscard]] int fault() const noexcept { return fault_; }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  [[nodiscard]] bool open();
  void close();
  void rotate();
  std::size_t append(std::string_view bytes);

  const std::string path_;
  const Rotation rotation_;
  int fd_ = -1;
  bool regular_ = false;  ///< only those are renamed
  bool torn_ = false;     ///< the last byte in the file is not a newline
  std::int64_t size_ = 0;
  int fault_ = 0;
  std::chrono::steady_clock::time_point next_open_{};
  std::chrono::steady_clock::time_point next_rotation_{};  ///< after one that failed
};

}  // namespace tocsin::log
