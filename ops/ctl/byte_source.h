#pragma once
// ByteSource: where a reader gets its bytes from; a plain file, one compressed by xz, or stdin. Blocking; one
// thread.
#include <cstddef>
#include <memory>
#include <string>

#include "common/result.h"

namespace tocsin::ops {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  /// Fills up to `size` bytes at `into`; 0 is the end. Fails with io, or corrupt for broken compressed data.
  [[nodiscard]] virtual Result<std::size_t> read(char* into, std::size_t size) = 0;

 protected:
  ByteSource() = default;
};

/// Opens `path` ("-": stdin). xz data is recognised by its first bytes, whatever the name. Fails with
/// not_found or io.
[[nodiscard]] Result<std::unique_ptr<ByteSource>> open_source(const std::string& path);

/// Unpacks what `packed` gives. Fails at read() with corrupt when that is not xz data, or ends too early.
[[nodiscard]] std::unique_ptr<ByteSource> unpack_xz(std::unique_ptr<ByteSource> packed);

}  // namespace tocsin::ops
