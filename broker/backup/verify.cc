#include "broker/backup/verify.h"

#include <algorithm>
#include <map>
#include <optional>

#include "broker/backup/archive_reader.h"
#include "broker/log/sqlite_schema.h"

namespace tocsin::broker::backup {
namespace {

/// Sums up what passes, and says at the end whether it is a log.
class Sums {
 public:
  explicit Sums(const Head& head) : head_(head), rows_(head.tables.size(), 0) {
    for (std::size_t i = 0; i < head.tables.size(); ++i) {
      if (head.tables[i].name == "log") log_ = place(i, {"channel_id", "offset"});
      if (head.tables[i].name == "channel") channel_ = place(i, {"id", "row_first", "last"});
    }
  }

  [[nodiscard]] bool complete() const { return log_ && channel_; }

  void take(const Row& row) {
    ++rows_[row.table];
    if (row.table == log_->table) {
      const std::int64_t channel = cell(row, log_->columns[0]), offset = cell(row, log_->columns[1]);
      Run& run = runs_[channel];
      if (offset != run.last + 1) run.first = offset;
      run.last = offset;
    } else if (row.table == channel_->table) {
      heads_[cell(row, channel_->columns[0])] = {cell(row, channel_->columns[1]),
                                                 cell(row, channel_->columns[2])};
    }
  }

  [[nodiscard]] Status judge(const Manifest& manifest, const std::vector<std::uint64_t>& told) const {
    const Error differs{Errc::corrupt, "its rows are not as many as it says"};
    std::uint64_t updates = 0;
    for (const auto& [id, head] : heads_) {
      if (head.last < head.first) continue;
      const auto run = runs_.find(id);
      if (run == runs_.end() || run->second.last != head.last || run->second.first > head.first)
        return Error{Errc::corrupt, "a channel lacks updates"};
      updates += static_cast<std::uint64_t>(head.last - head.first + 1);
    }
    if (told != rows_ || manifest.channels != heads_.size() || manifest.updates != updates) return differs;
    for (std::size_t i = 0; i < head_.tables.size(); ++i) {
      if (head_.tables[i].name == "incident" && manifest.incidents != rows_[i]) return differs;
      if (head_.tables[i].name == "session" && manifest.sessions != rows_[i]) return differs;
    }
    return Done{};
  }

 private:
  struct Place {
    std::size_t table;
    std::vector<std::size_t> columns;
  };
  struct Run {
    std::int64_t first = 0;
    std::int64_t last = -1;
  };

  std::optional<Place> place(std::size_t table, std::initializer_list<const char*> names) const {
    Place out{table, {}};
    const auto& columns = head_.tables[table].columns;
    for (const char* name : names) {
      const auto found = std::find(columns.begin(), columns.end(), name);
      if (found == columns.end()) return std::nullopt;
      out.columns.push_back(static_cast<std::size_t>(found - columns.begin()));
    }
    return out;
  }
  static std::int64_t cell(const Row& row, std::size_t column) {
    const auto* number = std::get_if<std::int64_t>(&row.cells[column]);
    return number == nullptr ? -1 : *number;
  }

  const Head& head_;
  std::vector<std::uint64_t> rows_;
  std::optional<Place> log_, channel_;
  std::map<std::int64_t, Run> runs_;   // by channel
  std::map<std::int64_t, Run> heads_;  // row_first and last, by channel
};

Result<Head> read_head(ArchiveReader& archive) {
  const auto record = archive.next();
  if (!record) return record.error();
  auto head = *record ? parse_head(**record) : Result<Head>(Error{Errc::corrupt, "it has no rows"});
  if (!head) return head.error();
  if (head->schema > kSchemaVersion)
    return Error{Errc::newer_schema, "its log has schema " + std::to_string(head->schema) +
                                         ", this program knows up to " + std::to_string(kSchemaVersion) +
                                         "; use the newer program"};
  return head;
}

Status walk_rows(ArchiveReader& archive, const Visitor& visitor) {
  const auto head = read_head(archive);
  if (!head) return head.error();
  Sums sums(*head);
  if (!sums.complete() || head->cluster != archive.manifest().cluster ||
      head->schema != archive.manifest().schema)
    return Error{Errc::corrupt, "its rows are not those of its manifest"};
  if (visitor.head)
    if (auto ok = visitor.head(*head); !ok) return ok;
  std::optional<std::vector<std::uint64_t>> told;
  for (;;) {
    const auto record = archive.next();
    if (!record) return record.error();
    if (!*record) break;
    if (told) return Error{Errc::corrupt, "something follows its end"};
    if ((*record)->starts_with('E')) {
      auto end = parse_end(**record, *head);
      if (!end) return end.error();
      told = *std::move(end);
      continue;
    }
    const auto row = parse_row(**record, *head);
    if (!row) return row.error();
    sums.take(*row);
    if (visitor.row)
      if (auto ok = visitor.row(*row, *head); !ok) return ok;
  }
  if (!told) return Error{Errc::corrupt, "its rows have no end"};
  return sums.judge(archive.manifest(), *told);
}

}  // namespace

Result<Manifest> walk(const std::string& path, const Visitor& visitor) {
  const auto archive = ArchiveReader::open(path);
  if (!archive) return archive.error();
  if (auto ok = walk_rows(**archive, visitor); !ok) {
    const bool named = ok.error().detail.starts_with(path);
    const char* what = ok.error().code == Errc::corrupt ? " is damaged: " : ": ";
    return named ? ok.error() : Error{ok.error().code, path + what + ok.error().detail};
  }
  return (*archive)->manifest();
}

Result<Manifest> verify(const std::string& path) { return walk(path, {}); }

}  // namespace tocsin::broker::backup
