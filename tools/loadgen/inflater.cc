#include "tools/loadgen/inflater.h"

#include <array>

namespace tocsin::loadgen {
namespace {

constexpr int kRawWindow = -15;                           // no zlib header
constexpr std::string_view kTail{"\x00\x00\xFF\xFF", 4};  // RFC 7692 section 7.2.2: what the sender cut off

}  // namespace

Inflater::Inflater() { inflateInit2(&stream_, kRawWindow); }
Inflater::~Inflater() { inflateEnd(&stream_); }

bool Inflater::run(std::string_view in, int flush) {
  std::array<unsigned char, 16384> chunk{};
  stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
  stream_.avail_in = static_cast<uInt>(in.size());
  do {
    stream_.next_out = chunk.data();
    stream_.avail_out = chunk.size();
    const int code = ::inflate(&stream_, flush);
    if (code != Z_OK && code != Z_BUF_ERROR && code != Z_STREAM_END) return false;
    out_.append(reinterpret_cast<const char*>(chunk.data()), chunk.size() - stream_.avail_out);
  } while (stream_.avail_out == 0);
  return stream_.avail_in == 0;
}

std::string_view Inflater::inflate(std::string_view compressed) {
  if (!last_in_.empty() && compressed == last_in_) return out_;
  out_.clear();
  last_in_.clear();
  inflateReset(&stream_);
  if (!run(compressed, Z_NO_FLUSH) || !run(kTail, Z_SYNC_FLUSH)) return {};
  last_in_.assign(compressed);
  return out_;
}

}  // namespace tocsin::loadgen
