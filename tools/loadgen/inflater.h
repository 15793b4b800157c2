#pragma once
// Inflater: undoes permessage-deflate (RFC 7692) for servers that promised server_no_context_takeover, so
// that one inflater serves all connections. A message whose bytes equal the one before is not inflated again:
// without history, equal bytes are equal messages.
//
// Thread: one.
#include <zlib.h>

#include <string>
#include <string_view>

namespace tocsin::loadgen {

class Inflater {
 public:
  Inflater();
  ~Inflater();
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  /// The message, valid until the next call; a null view when the bytes are not deflate.
  std::string_view inflate(std::string_view compressed);

 private:
  bool run(std::string_view in, int flush);
  z_stream stream_{};
  std::string last_in_;
  std::string out_;
};

}  // namespace tocsin::loadgen
