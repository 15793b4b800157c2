#include "ops/ctl/byte_source.h"

#include <fcntl.h>
#include <lzma.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

namespace tocsin::ops {
namespace {

constexpr std::string_view kXzMagic{
    "\xFD"
    "7zXZ\0",
    6};
constexpr std::uint64_t kUnpackMemory = std::uint64_t{512} << 20;  // xz -9 needs 65 MiB; a bomb is refused

class FileSource final : public ByteSource {
 public:
  FileSource(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
  ~FileSource() override {
    if (fd_ > STDIN_FILENO) ::close(fd_);
  }

  Result<std::size_t> read(char* into, std::size_t size) override {
    if (!ahead_.empty()) {
      const std::size_t n = std::min(size, ahead_.size());
      std::memcpy(into, ahead_.data(), n);
      ahead_.erase(0, n);
      return n;
    }
    for (;;) {
      const ssize_t n = ::read(fd_, into, size);
      if (n >= 0) return static_cast<std::size_t>(n);
      if (errno != EINTR) return Error{Errc::io, "cannot read " + name_ + ": " + std::strerror(errno)};
    }
  }

  /// The first bytes, which read() will still give.
  Result<std::string_view> peek(std::size_t size) {
    std::string part(size, '\0');
    while (ahead_.size() < size) {
      auto n = read_past(part);
      if (!n) return n.error();
      if (*n == 0) break;
    }
    return std::string_view(ahead_).substr(0, size);
  }

 private:
  Result<std::size_t> read_past(std::string& part) {
    const std::string before = std::exchange(ahead_, {});
    auto n = read(part.data(), part.size());
    ahead_ = before;
    if (n) ahead_.append(part, 0, *n);
    return n;
  }

  int fd_;
  std::string name_;
  std::string ahead_;
};

class XzSource final : public ByteSource {
 public:
  explicit XzSource(std::unique_ptr<ByteSource> packed) : packed_(std::move(packed)) {
    ready_ = lzma_stream_decoder(&stream_, kUnpackMemory, LZMA_CONCATENATED) == LZMA_OK;
  }
  ~XzSource() override { lzma_end(&stream_); }

  Result<std::size_t> read(char* into, std::size_t size) override {
    if (!ready_) return Error{Errc::io, "no memory to unpack xz data"};
    stream_.next_out = reinterpret_cast<std::uint8_t*>(into);
    stream_.avail_out = size;
    while (stream_.avail_out == size && !ended_) {
      if (stream_.avail_in == 0 && !input_ended_) {
        auto n = packed_->read(input_.data(), input_.size());
        if (!n) return n.error();
        input_ended_ = *n == 0;
        stream_.next_in = reinterpret_cast<const std::uint8_t*>(input_.data());
        stream_.avail_in = *n;
      }
      const lzma_ret result = lzma_code(&stream_, input_ended_ ? LZMA_FINISH : LZMA_RUN);
      ended_ = result == LZMA_STREAM_END;
      if (result != LZMA_OK && !ended_) return Error{Errc::corrupt, explain(result)};
    }
    return size - stream_.avail_out;
  }

 private:
  static std::string explain(lzma_ret result) {
    switch (result) {
      case LZMA_FORMAT_ERROR:
        return "not xz data";
      case LZMA_MEMLIMIT_ERROR:
        return "unpacking the xz data needs too much memory";
      case LZMA_BUF_ERROR:
        return "the xz data ends too early";
      default:
        return "the xz data is damaged";
    }
  }

  std::unique_ptr<ByteSource> packed_;
  lzma_stream stream_ = LZMA_STREAM_INIT;
  std::array<char, 65536> input_{};
  bool ready_ = false;
  bool input_ended_ = false;
  bool ended_ = false;
};

}  // namespace

Result<std::unique_ptr<ByteSource>> open_source(const std::string& path) {
  const int fd = path == "-" ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return Error{errno == ENOENT ? Errc::not_found : Errc::io,
                 "cannot open " + path + ": " + std::strerror(errno)};
  auto file = std::make_unique<FileSource>(fd, path);
  auto first = file->peek(kXzMagic.size());
  if (!first) return first.error();
  if (*first == kXzMagic) return unpack_xz(std::move(file));
  return std::unique_ptr<ByteSource>(std::move(file));
}

std::unique_ptr<ByteSource> unpack_xz(std::unique_ptr<ByteSource> packed) {
  return std::make_unique<XzSource>(std::move(packed));
}

}  // namespace tocsin::ops
