#pragma once
// CsvReader: records of a comma separated file (RFC 4180), one at a time: quoted fields with commas, doubled
// quotes and line breaks in them, LF or CRLF, a byte order mark. Holds one record and one block, whatever the
// file's length. One thread.
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "common/result.h"
#include "ops/ctl/byte_source.h"

namespace tocsin::ops {

class CsvReader {
 public:
  static constexpr std::size_t kMaxRecord = std::size_t{1}
                                            << 20;  ///< bytes; a lost quote must not eat the whole file

  explicit CsvReader(ByteSource& source) : source_(source) {}

  /// The next record in `fields`; false at the end of the file. Blank lines are passed over. Fails as the
  /// source does, with invalid_argument for a quote that is never closed or text behind a closing one, or
  /// too_large: reading cannot go on.
  [[nodiscard]] Result<bool> next(std::vector<std::string>& fields);

  /// Number of the line on which the last record began, from 1.
  [[nodiscard]] std::uint64_t line() const noexcept { return record_line_; }

 private:
  enum class State : std::uint8_t { field_start, plain, quoted, quote_in_quoted };

  [[nodiscard]] Result<int> byte();  ///< -1 at the end
  [[nodiscard]] Error broken(std::string_view what) const;

  ByteSource& source_;
  std::array<char, 65536> block_{};
  std::size_t used_ = 0;
  std::size_t filled_ = 0;
  std::uint64_t line_ = 1;
  std::uint64_t record_line_ = 0;
  bool first_ = true;
};

}  // namespace tocsin::ops
