#pragma once
// ArchiveWriter: makes the file of a backup: rows in, compressed and hashed; the manifest last.
//
// Invariant: the file appears under its name whole and synced, or not at all; until then it is
// `<path>.partial`, which the destructor removes. Thread: one at a time.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "broker/backup/manifest.h"
#include "common/crypto/digest.h"
#include "common/result.h"

struct ZSTD_CCtx_s;

namespace tocsin::broker::backup {

class ArchiveWriter {
 public:
  /// Bytes that the disk must keep free: an archive must not be what fills the disk of the log.
  struct Options {
    std::uint64_t reserve_bytes = 0;
  };
  /// Makes `<path>.partial`. Fails with io (the detail says what to do) or disk_full.
  [[nodiscard]] static Result<std::unique_ptr<ArchiveWriter>> create(std::string path, Options options);
  ~ArchiveWriter();
  ArchiveWriter(const ArchiveWriter&) = delete;
  ArchiveWriter& operator=(const ArchiveWriter&) = delete;

  /// Fails with disk_full or io; the archive is lost then.
  [[nodiscard]] Status add(std::string_view rows);
  /// Fills in what the manifest says of the rows, writes it, syncs and renames. Fails as add() does.
  [[nodiscard]] Status finish(Manifest& manifest);

 private:
  ArchiveWriter(std::string path, int fd, Options options);
  Status write(std::string_view bytes);
  Status compress(std::string_view rows, bool last);
  Status check_room();
  [[nodiscard]] Error failed(const char* what) const;

  struct Free {
    void operator()(ZSTD_CCtx_s* context) const;
  };
  std::string path_, partial_;
  int fd_;
  Options options_;
  std::unique_ptr<ZSTD_CCtx_s, Free> zstd_;
  crypto::Digest digest_{crypto::Digest::Kind::sha256};
  std::string out_;
  std::uint64_t raw_bytes_ = 0, packed_bytes_ = 0;
  std::uint64_t written_ = 0, pushed_ = 0, checked_ = 0;
};

}  // namespace tocsin::broker::backup
