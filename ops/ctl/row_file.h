#pragma once
// RowFile: rows of text in a temporary file that has no name ($TMPDIR, else /tmp), written in order, read
// back in any. For logs that are larger than memory should be.
//
// Invariant: a row is read only after finish(). One thread.
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "common/result.h"

namespace tocsin::ops {

class RowFile {
 public:
  struct Place {
    std::uint64_t at = 0;
    std::uint64_t size = 0;
  };
  /// Fails with io, naming the folder.
  [[nodiscard]] static Result<RowFile> make();
  /// Fails with disk_full or io; nothing can be added after that.
  [[nodiscard]] Result<Place> add(std::string_view row);
  [[nodiscard]] Status finish();
  /// Fails with io.
  [[nodiscard]] Status read(Place place, std::string& into) const;

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  explicit RowFile(std::FILE* file) : file_(file) {}
  std::unique_ptr<std::FILE, Close> file_;
  std::uint64_t size_ = 0;
};

}  // namespace tocsin::ops
