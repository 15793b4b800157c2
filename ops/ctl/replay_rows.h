#pragma once
// ReplayRows: the rows of a ServiceNow log in order of their time. The log itself is ordered by incident
// number; played like that, one incident would live and die before the next is opened. The rows wait in a
// temporary file; memory holds 40 bytes for each, and the last state of each incident. One thread.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ops/ctl/byte_source.h"
#include "ops/ctl/feed.h"
#include "ops/ctl/row_file.h"
#include "ops/ctl/servicenow.h"

namespace tocsin::ops {

class ReplayRows final : public DraftStream {
 public:
  struct Options {
    std::string channel;
    double speed = 0;         ///< times the log's own rhythm; 0: no pauses
    std::uint64_t limit = 0;  ///< the first so many in order of time; 0: all
  };
  /// Reads everything. Rows whose time cannot be read are counted as bad and reported through `on_bad_row`.
  /// Fails as the reader and the temporary file do, and with invalid_argument when the header is not that of
  /// such a log.
  [[nodiscard]] static Result<ReplayRows> load(
      ByteSource& source, Options options,
      std::function<void(std::uint64_t line, const std::string& why)> on_bad_row);
  ReplayRows(ReplayRows&&) noexcept = default;

  std::optional<Millis> due() override;
  std::optional<Draft> take() override;
  [[nodiscard]] std::string origin(std::uint64_t number) const override;
  [[nodiscard]] std::uint64_t total() const override { return rows_.size(); }
  [[nodiscard]] std::uint64_t bad_rows() const noexcept { return bad_rows_; }

 private:
  struct Row {
    std::int64_t at;
    std::uint64_t line;
    RowFile::Place fields;  ///< joined by kSeparator
  };
  ReplayRows(ServiceNowColumns columns, Options options, RowFile file,
             std::function<void(std::uint64_t, const std::string&)> on_bad_row)
      : options_(std::move(options)),
        mapper_(std::move(columns), options_.channel),
        file_(std::move(file)),
        on_bad_row_(std::move(on_bad_row)) {}
  void bad(std::uint64_t line, const std::string& why);

  Options options_;
  ServiceNowMapper mapper_;
  RowFile file_;
  std::function<void(std::uint64_t, const std::string&)> on_bad_row_;
  std::vector<Row> rows_;
  std::vector<std::uint64_t> taken_;  ///< line of each draft
  std::size_t next_ = 0;
  std::uint64_t bad_rows_ = 0;
  std::string joined_;
  std::vector<std::string> split_;
};

}  // namespace tocsin::ops
