#include "broker/backup/archive_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <zstd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "broker/backup/tar.h"

namespace tocsin::broker::backup {
namespace {

constexpr int kLevel = 3;
constexpr std::uint64_t kPush = 1U << 20U;   // bytes after which the system is asked to begin writing
constexpr std::uint64_t kLook = 16U << 20U;  // bytes between two looks at the free space
constexpr std::string_view kRows = "rows.zst";
constexpr std::string_view kManifest = "manifest.json";

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

bool no_space(int why) { return why == ENOSPC || why == EDQUOT || why == EFBIG; }

}  // namespace

void ArchiveWriter::Free::operator()(ZSTD_CCtx_s* context) const { ZSTD_freeCCtx(context); }

ArchiveWriter::ArchiveWriter(std::string path, int fd, Options options)
    : path_(std::move(path)),
      partial_(path_ + ".partial"),
      fd_(fd),
      options_(options),
      zstd_(ZSTD_createCCtx()) {
  ZSTD_CCtx_setParameter(zstd_.get(), ZSTD_c_compressionLevel, kLevel);
  ZSTD_CCtx_setParameter(zstd_.get(), ZSTD_c_checksumFlag, 1);
}

ArchiveWriter::~ArchiveWriter() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(partial_.c_str());
}

Error ArchiveWriter::failed(const char* what) const {
  const int why = errno;
  if (no_space(why))
    return {Errc::disk_full, std::string("no space left ") + what + " " + partial_ + " (" +
                                 std::strerror(why) +
                                 "); free some, prune old backups, or write to another disk"};
  return {Errc::io, std::string("cannot write ") + what + " " + partial_ + ": " + std::strerror(why)};
}

Result<std::unique_ptr<ArchiveWriter>> ArchiveWriter::create(std::string path, Options options) {
  const std::string partial = path + ".partial";
  const int fd = ::open(partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0)
    return Error{no_space(errno) ? Errc::disk_full : Errc::io,
                 "cannot write " + partial + ": " + std::strerror(errno) +
                     "; the folder must be there and writable for this user"};
  std::unique_ptr<ArchiveWriter> out(new ArchiveWriter(std::move(path), fd, options));
  if (auto room = out->check_room(); !room) return room.error();
  // The header's size is known only at the end.
  if (auto s = out->write(std::string(kTarBlock, '\0')); !s) return s.error();
  return out;
}

Status ArchiveWriter::check_room() {
  struct statvfs room {};
  if (options_.reserve_bytes == 0 || ::fstatvfs(fd_, &room) != 0) return Done{};
  const std::uint64_t free = std::uint64_t{room.f_bavail} * room.f_frsize;
  if (free >= options_.reserve_bytes) return Done{};
  return Error{Errc::disk_full,
               "the disk of " + folder_of(path_) + " has " + std::to_string(free >> 20U) + " MiB free, and " +
                   std::to_string(options_.reserve_bytes >> 20U) +
                   " MiB are to stay free (backup.reserve_mb); free some, prune old backups, or "
                   "write to another disk"};
}

Status ArchiveWriter::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed("for");
    bytes.remove_prefix(static_cast<std::size_t>(n));
    written_ += static_cast<std::uint64_t>(n);
  }
  // In small pieces: a large one at the end would make the log's own syncs wait behind it.
  if (written_ - pushed_ >= kPush) {
    ::sync_file_range(fd_, static_cast<off_t>(pushed_), static_cast<off_t>(written_ - pushed_),
                      SYNC_FILE_RANGE_WRITE);
    pushed_ = written_;
  }
  if (written_ - checked_ < kLook) return Done{};
  checked_ = written_;
  return check_room();
}

Status ArchiveWriter::compress(std::string_view rows, bool last) {
  ZSTD_inBuffer in{rows.data(), rows.size(), 0};
  out_.resize(ZSTD_CStreamOutSize());
  for (;;) {
    ZSTD_outBuffer out{out_.data(), out_.size(), 0};
    const std::size_t left =
        ZSTD_compressStream2(zstd_.get(), &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
    if (ZSTD_isError(left) != 0) return Error{Errc::internal, ZSTD_getErrorName(left)};
    const std::string_view packed(out_.data(), out.pos);
    digest_.add(packed);
    packed_bytes_ += packed.size();
    if (auto s = write(packed); !s) return s;
    if (last ? left == 0 : in.pos == in.size) return Done{};
  }
}

Status ArchiveWriter::add(std::string_view rows) {
  raw_bytes_ += rows.size();
  return compress(rows, false);
}

Status ArchiveWriter::finish(Manifest& manifest) {
  if (auto s = compress({}, true); !s) return s;
  manifest.bytes = packed_bytes_;
  manifest.raw_bytes = raw_bytes_;
  manifest.sha256 = digest_.hex();
  const std::string text = manifest.to_json() + "\n";
  std::string tail(tar_padding(packed_bytes_), '\0');
  tail += tar_header(kManifest, text.size(), manifest.created_ms / 1'000) + text;
  tail.append(tar_padding(text.size()) + 2 * kTarBlock, '\0');
  if (auto s = write(tail); !s) return s;
  const std::string header = tar_header(kRows, packed_bytes_, manifest.created_ms / 1'000);
  if (::pwrite(fd_, header.data(), header.size(), 0) != static_cast<ssize_t>(header.size()))
    return failed("for");
  if (::fdatasync(fd_) != 0) return failed("for");
  if (::rename(partial_.c_str(), path_.c_str()) != 0) return failed("at the end to");
  ::close(std::exchange(fd_, -1));
  const int folder = ::open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {
    ::fsync(folder);  // the name; the content is safe without it
    ::close(folder);
  }
  return Done{};
}

}  // namespace tocsin::broker::backup
