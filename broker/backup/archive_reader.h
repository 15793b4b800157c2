#pragma once
// ArchiveReader: reads the file of a backup: its manifest at once, its rows record by record, hashed and
// compared as they pass. For files that anybody may hand us.
//
// Invariant: rows are believed only when next() has returned the end without an error: then hash, sizes and
// the compressor's own checksum are right. Thread: one at a time.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "broker/backup/manifest.h"
#include "common/crypto/digest.h"
#include "common/result.h"

struct ZSTD_DCtx_s;

namespace tocsin::broker::backup {

class ArchiveReader {
 public:
  /// Fails with not_found, io, newer_schema, or corrupt: not a backup, or cut short.
  [[nodiscard]] static Result<std::unique_ptr<ArchiveReader>> open(const std::string& path);
  ~ArchiveReader();
  ArchiveReader(const ArchiveReader&) = delete;
  ArchiveReader& operator=(const ArchiveReader&) = delete;

  [[nodiscard]] const Manifest& manifest() const noexcept { return manifest_; }
  [[nodiscard]] std::uint64_t file_bytes() const noexcept { return file_bytes_; }
  /// The next record, valid until the next call; nothing at the end. Fails with corrupt or io.
  [[nodiscard]] Result<std::optional<std::string_view>> next();

 private:
  ArchiveReader(std::string path, int fd);
  [[nodiscard]] Status open_members();
  [[nodiscard]] Result<std::string> read_at(std::uint64_t at, std::size_t count) const;
  [[nodiscard]] Status refill();
  [[nodiscard]] Status judge_end() const;
  [[nodiscard]] Error damaged(const std::string& what) const;

  struct Free {
    void operator()(ZSTD_DCtx_s* context) const;
  };
  std::string path_;
  int fd_;
  std::uint64_t file_bytes_ = 0;
  Manifest manifest_;
  std::unique_ptr<ZSTD_DCtx_s, Free> zstd_;
  crypto::Digest digest_{crypto::Digest::Kind::sha256};
  std::uint64_t at_ = 0, end_ = 0;  ///< of rows.zst in the file
  std::uint64_t raw_bytes_ = 0;
  std::string packed_;
  std::size_t packed_used_ = 0;
  std::string rows_;  ///< decompressed, from `rows_used_` on not given out
  std::size_t rows_used_ = 0;
  bool frame_ended_ = false;
  std::string sha256_;
};

}  // namespace tocsin::broker::backup
