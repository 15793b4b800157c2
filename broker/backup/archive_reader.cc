#include "broker/backup/archive_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "broker/backup/rows.h"
#include "broker/backup/tar.h"

namespace tocsin::broker::backup {
namespace {

constexpr std::size_t kPiece = std::size_t{256} << 10U;
constexpr std::uint64_t kMaxManifest = std::uint64_t{1} << 20U;

}  // namespace

void ArchiveReader::Free::operator()(ZSTD_DCtx_s* context) const { ZSTD_freeDCtx(context); }

ArchiveReader::ArchiveReader(std::string path, int fd)
    : path_(std::move(path)), fd_(fd), zstd_(ZSTD_createDCtx()) {
  ZSTD_DCtx_setParameter(zstd_.get(), ZSTD_d_windowLogMax, 27);  // what an archive asks for is bounded
}

ArchiveReader::~ArchiveReader() { ::close(fd_); }

Error ArchiveReader::damaged(const std::string& what) const { return {Errc::corrupt, path_ + " " + what}; }

Result<std::unique_ptr<ArchiveReader>> ArchiveReader::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return Error{errno == ENOENT ? Errc::not_found : Errc::io,
                 errno == ENOENT ? "there is no backup " + path : path + ": " + std::strerror(errno)};
  std::unique_ptr<ArchiveReader> out(new ArchiveReader(path, fd));
  if (auto ok = out->open_members(); !ok) return ok.error();
  return out;
}

Result<std::string> ArchiveReader::read_at(std::uint64_t at, std::size_t count) const {
  std::string out(count, '\0');
  std::size_t got = 0;
  while (got < count) {
    const ssize_t n = ::pread(fd_, out.data() + got, count - got, static_cast<off_t>(at + got));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error{Errc::io, path_ + ": " + std::strerror(errno)};
    if (n == 0) return damaged("is cut short; take another copy of it");
    got += static_cast<std::size_t>(n);
  }
  return out;
}

Status ArchiveReader::open_members() {
  struct stat info {};
  if (::fstat(fd_, &info) != 0 || !S_ISREG(info.st_mode)) return damaged("is no file; give an archive");
  file_bytes_ = static_cast<std::uint64_t>(info.st_size);
  if (file_bytes_ < kTarBlock) return damaged("is not a backup of Tocsin (too short)");
  const auto first = read_at(0, kTarBlock);
  if (!first) return first.error();
  const auto rows = parse_tar_header(*first);
  if (!rows || rows->name != "rows.zst")
    return damaged("is not a backup of Tocsin" +
                   (rows ? " (a tar of other things)" : " (" + rows.error().detail + ")"));
  at_ = kTarBlock;
  end_ = at_ + rows->size;
  const std::uint64_t second = end_ + tar_padding(rows->size);
  if (second + kTarBlock > file_bytes_) return damaged("is cut short; take another copy of it");
  const auto block = read_at(second, kTarBlock);
  if (!block) return block.error();
  const auto manifest = parse_tar_header(*block);
  if (!manifest || manifest->name != "manifest.json" || manifest->size > kMaxManifest)
    return damaged("is damaged: there is no manifest where one should be");
  const auto text = read_at(second + kTarBlock, manifest->size);
  if (!text) return text.error();
  auto parsed = Manifest::parse(*text);
  if (!parsed && parsed.error().code == Errc::newer_schema)
    return Error{Errc::newer_schema, path_ + ": " + parsed.error().detail + "; use the newer program"};
  if (!parsed) return damaged("is damaged: " + parsed.error().detail);
  manifest_ = *std::move(parsed);
  if (manifest_.bytes != rows->size) return damaged("is damaged: the manifest is of other rows");
  return Done{};
}

Status ArchiveReader::refill() {
  if (packed_used_ == packed_.size() && at_ < end_) {
    auto piece = read_at(at_, static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, end_ - at_)));
    if (!piece) return piece.error();
    packed_ = *std::move(piece);
    packed_used_ = 0;
    at_ += packed_.size();
    digest_.add(packed_);
  }
  rows_.erase(0, std::exchange(rows_used_, 0));
  const std::size_t before = rows_.size();
  rows_.resize(before + ZSTD_DStreamOutSize());
  ZSTD_inBuffer in{packed_.data(), packed_.size(), packed_used_};
  ZSTD_outBuffer out{rows_.data() + before, rows_.size() - before, 0};
  const std::size_t left = ZSTD_decompressStream(zstd_.get(), &out, &in);
  rows_.resize(before + out.pos);
  if (ZSTD_isError(left) != 0) return damaged(std::string("is damaged: ") + ZSTD_getErrorName(left));
  const bool moved = out.pos > 0 || in.pos > packed_used_;
  packed_used_ = in.pos;
  raw_bytes_ += out.pos;
  frame_ended_ = left == 0;
  if (frame_ended_ && (at_ < end_ || packed_used_ < packed_.size()))
    return damaged("is damaged: something follows the rows");
  if (!moved && !frame_ended_ && at_ == end_) return damaged("is damaged: its rows end in the middle");
  if (frame_ended_ && sha256_.empty()) sha256_ = digest_.hex();
  return Done{};
}

Status ArchiveReader::judge_end() const {
  if (rows_used_ < rows_.size()) return damaged("is damaged: its rows end in the middle of one");
  if (raw_bytes_ != manifest_.raw_bytes) return damaged("is damaged: its rows are not those of its manifest");
  if (sha256_ != manifest_.sha256) return damaged("is damaged: its SHA-256 is not that of its manifest");
  return Done{};
}

Result<std::optional<std::string_view>> ArchiveReader::next() {
  for (;;) {
    std::string_view rest = std::string_view(rows_).substr(rows_used_);
    const auto record = take_record(rest);
    if (!record) return damaged("is damaged: " + record.error().detail);
    if (*record) {
      rows_used_ = rows_.size() - rest.size();
      return *record;
    }
    if (frame_ended_) {
      if (auto ok = judge_end(); !ok) return ok.error();
      return std::optional<std::string_view>{};
    }
    if (auto ok = refill(); !ok) return ok.error();
  }
}

}  // namespace tocsin::broker::backup
