#pragma once
// permessage-deflate (RFC 7692) with no context takeover on either side: every message stands alone, so that
// one compressed frame serves every client that agreed, and one inflater reads all of them.
//
// A shared text is compressed once (deflate_blocks), and what differs between its readers is put in front
// uncompressed, as a stored block (RFC 1951, 3.2.4): N audiences cost one compression. Secrets are never
// framed here: what travels compressed has only a publisher's own words beside it. Pure functions, any
// thread; an Inflater: one thread.
#include <zlib.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "common/result.h"
#include "edge/codec/ws_frame.h"

namespace tocsin::edge::ws {

/// Smaller messages go as they are: they hardly shrink.
inline constexpr std::size_t kDeflateFrom = 128;
/// What a stored block costs beside its text.
inline constexpr std::size_t kStoredHeader = 5;
/// Longest text that may stand in front of shared blocks.
inline constexpr std::size_t kMaxStored = 0xFFFF;

/// `text` as DEFLATE blocks that end at a byte and point to nothing before them; their end marker 00 00 FF FF
/// is left out.
[[nodiscard]] std::string deflate_blocks(std::string_view text);

/// One compressed message: `stored` and then what `blocks` hold.
void append_deflated(std::string& out, Opcode opcode, std::string_view stored, std::string_view blocks);
/// One message, compressed when that makes it smaller.
void append_message(std::string& out, Opcode opcode, std::string_view payload);

class Inflater {
 public:
  Inflater();
  /// The message that a client compressed; valid until the next call. Fails with too_large as soon as it is
  /// more than `max` bytes, having made no more than that, and with invalid_argument when it is no DEFLATE.
  Result<std::string_view> inflate(std::string_view payload, std::size_t max);

 private:
  struct End {
    void operator()(z_stream* z) const noexcept {
      inflateEnd(z);
      delete z;
    }
  };
  std::unique_ptr<z_stream, End> stream_;
  std::string out_;
};

}  // namespace tocsin::edge::ws
