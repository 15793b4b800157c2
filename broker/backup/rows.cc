#include "broker/backup/rows.h"

#include <cstring>

#include "common/json/json.h"

namespace tocsin::broker::backup {
namespace {

constexpr std::size_t kLength = 4;

Error damaged(std::string what) { return {Errc::corrupt, std::move(what)}; }

void append_u32(std::string& out, std::size_t n) {
  for (unsigned shift = 0; shift < 32; shift += 8) out += static_cast<char>((n >> shift) & 0xffU);
}

std::uint64_t read_number(std::string_view bytes) {
  std::uint64_t n = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) n = (n << 8U) | static_cast<unsigned char>(bytes[i]);
  return n;
}

/// Writes the length in front once the record is there.
class Record {
 public:
  Record(std::string& out, char kind) : out_(out), at_(out.size()) {
    append_u32(out_, 0);
    out_ += kind;
  }
  ~Record() {
    std::string length;
    append_u32(length, out_.size() - at_ - kLength);
    out_.replace(at_, kLength, length);
  }
  Record(const Record&) = delete;
  Record& operator=(const Record&) = delete;

 private:
  std::string& out_;
  std::size_t at_;
};

/// Takes `count` bytes off the front, or nothing at all.
std::optional<std::string_view> take(std::string_view& bytes, std::size_t count) {
  if (bytes.size() < count) return std::nullopt;
  const std::string_view out = bytes.substr(0, count);
  bytes.remove_prefix(count);
  return out;
}

std::optional<Cell> take_cell(std::string_view& bytes) {
  const auto kind = take(bytes, 1);
  if (!kind) return std::nullopt;
  if (*kind == "n") return Cell{};
  if (*kind == "i") {
    const auto number = take(bytes, 8);
    if (!number) return std::nullopt;
    return Cell{static_cast<std::int64_t>(read_number(*number))};
  }
  if (*kind != "t" && *kind != "b") return std::nullopt;
  const auto length = take(bytes, kLength);
  const auto content = length ? take(bytes, read_number(*length)) : std::nullopt;
  if (!content) return std::nullopt;
  return Cell{Bytes{*content, *kind == "t"}};
}

Result<json::Document> document_of(std::string_view record, char kind, const char* what) {
  if (record.empty() || record.front() != kind) return damaged(std::string("there is no ") + what);
  auto document = json::parse(record.substr(1));
  if (!document || !document->IsObject()) return damaged(std::string("the ") + what + " is no JSON object");
  return document;
}

}  // namespace

void append_head(std::string& out, const Head& head) {
  const Record record(out, 'H');
  out += "{\"schema\":" + std::to_string(head.schema) + ",\"cluster\":" + json::quoted(head.cluster) +
         ",\"tables\":[";
  for (const Table& table : head.tables) {
    if (out.back() != '[') out += ',';
    out += "{\"name\":" + json::quoted(table.name) + ",\"columns\":[";
    for (const std::string& column : table.columns) {
      if (out.back() != '[') out += ',';
      json::append_quoted(out, column);
    }
    out += "]}";
  }
  out += "]}";
}

void append_row(std::string& out, const Row& row) {
  const Record record(out, 'R');
  out += static_cast<char>(row.table);
  for (const Cell& cell : row.cells) {
    if (const auto* number = std::get_if<std::int64_t>(&cell)) {
      out += 'i';
      append_u32(out, static_cast<std::uint64_t>(*number) & 0xffffffffU);
      append_u32(out, static_cast<std::uint64_t>(*number) >> 32U);
    } else if (const auto* bytes = std::get_if<Bytes>(&cell)) {
      out += bytes->text ? 't' : 'b';
      append_u32(out, bytes->bytes.size());
      out += bytes->bytes;
    } else {
      out += 'n';
    }
  }
}

void append_end(std::string& out, const Head& head, const std::vector<std::uint64_t>& rows) {
  const Record record(out, 'E');
  out += '{';
  for (std::size_t i = 0; i < head.tables.size(); ++i) {
    if (i > 0) out += ',';
    out += json::quoted(head.tables[i].name) + ":" + std::to_string(rows[i]);
  }
  out += '}';
}

Result<Head> parse_head(std::string_view record) {
  const auto document = document_of(record, 'H', "head of the rows");
  if (!document) return document.error();
  const auto schema = json::uint_member(*document, "schema");
  const auto cluster = json::string_member(*document, "cluster");
  const json::Value* tables = json::find(*document, "tables");
  if (!schema || !*schema || !cluster || !*cluster || tables == nullptr || !tables->IsArray() ||
      tables->Size() > kMaxTables)
    return damaged("the head of the rows lacks schema, cluster or tables");
  Head head{static_cast<std::int64_t>(**schema), std::string(**cluster), {}};
  for (const json::Value& table : tables->GetArray()) {
    const auto name = json::string_member(table, "name");
    const json::Value* columns = json::find(table, "columns");
    if (!name || !*name || columns == nullptr || !columns->IsArray() || columns->Size() > kMaxColumns)
      return damaged("a table of the head has no name or no columns");
    Table out{std::string(**name), {}};
    for (const json::Value& column : columns->GetArray()) {
      if (!column.IsString()) return damaged("a column of the head has no name");
      out.columns.emplace_back(json::view(column));
    }
    head.tables.push_back(std::move(out));
  }
  return head;
}

Result<Row> parse_row(std::string_view record, const Head& head) {
  if (record.size() < 2 || record.front() != 'R') return damaged("there is no row where one should be");
  Row row{static_cast<unsigned char>(record[1]), {}};
  if (row.table >= head.tables.size()) return damaged("a row is of no table that the head names");
  record.remove_prefix(2);
  const std::size_t columns = head.tables[row.table].columns.size();
  row.cells.reserve(columns);
  for (std::size_t i = 0; i < columns; ++i) {
    const auto cell = take_cell(record);
    if (!cell) return damaged("a row of " + head.tables[row.table].name + " is not whole");
    row.cells.push_back(*cell);
  }
  if (!record.empty()) return damaged("a row of " + head.tables[row.table].name + " is too long");
  return row;
}

Result<std::vector<std::uint64_t>> parse_end(std::string_view record, const Head& head) {
  const auto document = document_of(record, 'E', "end of the rows");
  if (!document) return document.error();
  std::vector<std::uint64_t> rows;
  for (const Table& table : head.tables) {
    const auto count = json::uint_member(*document, table.name);
    if (!count || !*count) return damaged("the end of the rows does not count those of " + table.name);
    rows.push_back(**count);
  }
  return rows;
}

Result<std::optional<std::string_view>> take_record(std::string_view& bytes) {
  if (bytes.size() < kLength) return std::optional<std::string_view>{};
  const std::size_t length = read_number(bytes.substr(0, kLength));
  if (length == 0 || length > kMaxRecord) return damaged("a record has an impossible length");
  if (bytes.size() - kLength < length) return std::optional<std::string_view>{};
  const std::string_view record = bytes.substr(kLength, length);
  bytes.remove_prefix(kLength + length);
  return std::optional{record};
}

}  // namespace tocsin::broker::backup
