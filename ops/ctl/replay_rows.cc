#include "ops/ctl/replay_rows.h"

#include <algorithm>

#include "ops/ctl/csv_reader.h"

namespace tocsin::ops {
namespace {

constexpr char kSeparator = '\x1F';

std::string joined(const std::vector<std::string>& fields) {
  std::string out;
  for (const std::string& field : fields) {
    if (&field != &fields.front()) out += kSeparator;
    out += field;
  }
  return out;
}

void split(std::string_view text, std::vector<std::string>& fields) {
  std::size_t count = 0;
  for (;;) {
    const auto end = text.find(kSeparator);
    if (count == fields.size()) fields.emplace_back();
    fields[count++].assign(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  fields.resize(count);
}

}  // namespace

Result<ReplayRows> ReplayRows::load(ByteSource& source, Options options,
                                    std::function<void(std::uint64_t, const std::string&)> on_bad_row) {
  CsvReader reader(source);
  std::vector<std::string> fields;
  auto more = reader.next(fields);
  if (!more) return more.error();
  auto columns = ServiceNowColumns::parse(fields);
  if (!columns) return columns.error();
  auto file = RowFile::make();
  if (!file) return file.error();
  ReplayRows out(*columns, std::move(options), *std::move(file), std::move(on_bad_row));
  while (true) {
    more = reader.next(fields);
    if (!more) return more.error();
    if (!*more) break;
    const auto at = parse_servicenow_time(columns->field(fields, "sys_updated_at"));
    const std::string text = joined(fields);
    if (!at) {
      out.bad(reader.line(), "sys_updated_at: " + at.error().detail);
    } else if (std::count(text.begin(), text.end(), kSeparator) + 1 !=
               static_cast<std::ptrdiff_t>(fields.size())) {
      out.bad(reader.line(), "a field holds a control character");
    } else {
      const auto place = out.file_.add(text);
      if (!place) return place.error();
      out.rows_.push_back({*at, reader.line(), *place});
    }
  }
  if (auto done = out.file_.finish(); !done) return done.error();
  std::stable_sort(out.rows_.begin(), out.rows_.end(),
                   [](const Row& a, const Row& b) { return a.at < b.at; });
  if (out.options_.limit != 0 && out.rows_.size() > out.options_.limit)
    out.rows_.resize(out.options_.limit, Row{});
  return out;
}

void ReplayRows::bad(std::uint64_t line, const std::string& why) {
  ++bad_rows_;
  on_bad_row_(line, why);
}

std::optional<Millis> ReplayRows::due() {
  if (next_ == rows_.size()) return std::nullopt;
  if (options_.speed <= 0) return Millis{0};
  return Millis{
      static_cast<std::int64_t>(static_cast<double>(rows_[next_].at - rows_.front().at) / options_.speed)};
}

std::optional<Draft> ReplayRows::take() {
  const Row& row = rows_[next_++];
  if (auto got = file_.read(row.fields, joined_); !got) {
    bad(row.line, got.error().detail);
    return std::nullopt;
  }
  split(joined_, split_);
  auto draft = mapper_.map(split_);
  if (!draft) {
    bad(row.line, draft.error().detail);
    return std::nullopt;
  }
  taken_.push_back(row.line);
  return *std::move(draft);
}

std::string ReplayRows::origin(std::uint64_t number) const {
  return number < taken_.size() ? "line " + std::to_string(taken_[number]) : "an update";
}

}  // namespace tocsin::ops
