#include "edge/codec/deflate.h"

#include <algorithm>
#include <new>

namespace tocsin::edge::ws {
namespace {

constexpr int kLevel =
    6;  // 14 us for 1 KiB where level 1 takes 13.5 us: what costs is beginning anew for each message
constexpr int kWindowBits = 15;
constexpr int kMemLevel = 8;
constexpr std::string_view kTail{"\x00\x00\xFF\xFF", 4};
constexpr char kCompressed = 0x40;  // RSV1
constexpr std::size_t kPiece = 16 * 1024;
constexpr std::size_t kKeepCapacity = 64 * 1024;

/// 256 KiB of state, made once per thread and reset for each text.
class Deflater {
 public:
  Deflater() {
    if (deflateInit2(&stream_, kLevel, Z_DEFLATED, -kWindowBits, kMemLevel, Z_DEFAULT_STRATEGY) != Z_OK)
      throw std::bad_alloc();
  }
  ~Deflater() { deflateEnd(&stream_); }
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;

  std::string blocks(std::string_view text) {
    deflateReset(&stream_);
    // The bound is for a finished stream; a flush at the end adds at most six bytes to what it counts.
    std::string out(deflateBound(&stream_, text.size()) + 16, '\0');
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream_.avail_in = static_cast<uInt>(text.size());
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(out.size());
    deflate(&stream_, Z_SYNC_FLUSH);
    out.resize(out.size() - stream_.avail_out - kTail.size());
    return out;
  }

 private:
  z_stream stream_{};
};

void append_stored(std::string& out, std::string_view text) {
  const auto size = static_cast<unsigned>(text.size());
  out.push_back('\0');  // not the last block, stored; the rest of the byte is padding
  for (const unsigned half : {size, ~size}) {
    out.push_back(static_cast<char>(half & 0xFFU));
    out.push_back(static_cast<char>(half >> 8U & 0xFFU));
  }
  out.append(text);
}

}  // namespace

std::string deflate_blocks(std::string_view text) {
  thread_local Deflater deflater;
  return deflater.blocks(text);
}

void append_deflated(std::string& out, Opcode opcode, std::string_view stored, std::string_view blocks) {
  const std::size_t header = out.size();
  append_header(out, opcode, blocks.size() + (stored.empty() ? 0 : stored.size() + kStoredHeader));
  out[header] = static_cast<char>(out[header] | kCompressed);
  if (!stored.empty()) append_stored(out, stored);
  out.append(blocks);
}

void append_message(std::string& out, Opcode opcode, std::string_view payload) {
  if (payload.size() >= kDeflateFrom) {
    const std::string blocks = deflate_blocks(payload);
    if (blocks.size() < payload.size()) return append_deflated(out, opcode, {}, blocks);
  }
  append_header(out, opcode, payload.size());
  out.append(payload);
}

Inflater::Inflater() : stream_(new z_stream{}) {
  if (inflateInit2(stream_.get(), -kWindowBits) != Z_OK) throw std::bad_alloc();
}

Result<std::string_view> Inflater::inflate(std::string_view payload, std::size_t max) {
  z_stream& z = *stream_;
  inflateReset(&z);
  out_.clear();
  if (out_.capacity() > kKeepCapacity) out_.shrink_to_fit();
  for (const std::string_view input : {payload, kTail}) {
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));
    z.avail_in = static_cast<uInt>(input.size());
    do {
      const std::size_t had = out_.size();
      out_.resize(had + std::min(kPiece, max + 1 - had));
      z.next_out = reinterpret_cast<Bytef*>(out_.data() + had);
      z.avail_out = static_cast<uInt>(out_.size() - had);
      const int state = ::inflate(&z, Z_SYNC_FLUSH);
      out_.resize(out_.size() - z.avail_out);
      if (out_.size() > max)
        return Error{Errc::too_large, "the message is larger than allowed once it is inflated"};
      if (state == Z_STREAM_END)
        return z.avail_in == 0 || input.data() == kTail.data()
                   ? Result<std::string_view>(out_)
                   : Error{Errc::invalid_argument, "bytes follow the end of the compressed message"};
      if (state != Z_OK && state != Z_BUF_ERROR)
        return Error{Errc::invalid_argument, "the message is not compressed as RFC 7692 says"};
    } while (z.avail_in > 0 || z.avail_out == 0);
  }
  return std::string_view(out_);
}

}  // namespace tocsin::edge::ws
