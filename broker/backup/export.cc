#include "broker/backup/export.h"

#include <unistd.h>
#include <zlib.h>

#include <array>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <variant>

#include "broker/backup/verify.h"
#include "common/crypto/digest.h"
#include "common/file.h"
#include "common/json/json.h"
#include "common/rfc3339.h"
#include "proto/link_message.h"

namespace tocsin::broker::backup {
namespace {

constexpr int kGzipLevel = 6;

std::string epoch_text(Epoch epoch) {
  std::array<char, 20> text{};
  std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(epoch));
  return text.data();
}

std::string subscriptions_of(const link::SessionRecord& record) {
  std::string out = "{";
  for (const link::SessionSub& sub : record.subs) {
    if (out.back() != '{') out += ',';
    const bool filter = static_cast<bool>(json::parse(sub.filter));
    out += json::quoted(sub.id) + ":{\"channel\":" + json::quoted(sub.channel) +
           ",\"filter\":" + (filter ? sub.filter : "{}") + ",\"door\":" + json::quoted(sub.door) +
           ",\"position\":{\"epoch\":" + json::quoted(epoch_text(sub.position.epoch)) +
           ",\"offset\":" + std::to_string(sub.position.offset) + "}}";
  }
  return out + "}";
}

std::string rooms_of(const link::SessionRecord& record) {
  std::string out = "[";
  for (const link::SessionSub& sub : record.subs) {
    if (out.back() != '[') out += ',';
    json::append_quoted(out, sub.channel);
  }
  return out + "]";
}

/// The three objects of the document, filled session by session.
struct Sections {
  std::string connections = "{", sessions = "{", redis = "{";
  std::uint64_t connected = 0, all = 0;
};

void add(Sections& out, const link::SessionRecord& record, bool connected, const std::string& at,
         const std::string& prefix) {
  const std::string id = json::quoted(record.id), subs = subscriptions_of(record);
  const std::string user = record.subject.empty() ? "null" : json::quoted(record.subject);
  const char* comma = out.all++ == 0 ? "" : ",";
  out.sessions.append(comma).append(
      id + ":{\"data\":{\"user_id\":" + user + ",\"edge\":" + json::quoted(record.edge) +
      ",\"fence\":" + std::to_string(record.fence) + ",\"subscriptions\":" + subs +
      "},\"timestamp\":" + json::quoted(at) + "}");
  out.redis.append(comma).append(json::quoted(prefix + record.id) + ":{\"user_id\":" + user + "}");
  if (!connected) return;
  const std::string connection = json::quoted(record.edge + "/" + record.id);
  out.connections.append(out.connected++ == 0 ? "" : ",")
      .append(connection + ":{\"session_id\":" + id + ",\"user_id\":" + user +
              ",\"connection_id\":" + connection + ",\"namespace\":\"/\",\"rooms\":" + rooms_of(record) +
              ",\"connected_at\":null,\"last_activity\":" + json::quoted(at) + ",\"client_info\":{\"edge\":" +
              json::quoted(record.edge) + "},\"subscription_data\":" + subs + "}");
}

std::string gzip(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, kGzipLevel, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string id_of(std::int64_t created_ms) {
  const std::time_t seconds = created_ms / 1'000;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "full_%Y%m%d_%H%M%S", &utc);
  return text.data();
}

/// Cells of a session's row, by the names of the head.
class SessionColumns {
 public:
  explicit SessionColumns(const Head& head) {
    for (std::size_t i = 0; i < head.tables.size(); ++i) {
      if (head.tables[i].name != "session") continue;
      table_ = i;
      for (std::size_t c = 0; c < head.tables[i].columns.size(); ++c) at_[head.tables[i].columns[c]] = c;
    }
  }
  [[nodiscard]] bool is(const Row& row) const { return row.table == table_ && !at_.empty(); }
  [[nodiscard]] std::string_view bytes(const Row& row, const char* name) const {
    const auto at = at_.find(name);
    const auto* cell = at == at_.end() ? nullptr : std::get_if<Bytes>(&row.cells[at->second]);
    return cell == nullptr ? std::string_view() : cell->bytes;
  }
  [[nodiscard]] std::int64_t number(const Row& row, const char* name) const {
    const auto at = at_.find(name);
    const auto* cell = at == at_.end() ? nullptr : std::get_if<std::int64_t>(&row.cells[at->second]);
    return cell == nullptr ? 0 : *cell;
  }

 private:
  std::size_t table_ = 0;
  std::map<std::string, std::size_t> at_;
};

}  // namespace

Result<Exported> export_json(const ExportRequest& request) {
  Sections sections;
  std::optional<SessionColumns> columns;
  std::string at;
  const Visitor visitor{[&](const Head& head) -> Status {
                          columns.emplace(head);
                          return Done{};
                        },
                        [&](const Row& row, const Head&) -> Status {
                          if (!columns->is(row)) return Done{};
                          const auto message = link::decode(columns->bytes(row, "record"));
                          const auto* put = message ? std::get_if<link::SessionPut>(&*message) : nullptr;
                          link::SessionRecord record = put == nullptr ? link::SessionRecord{} : put->record;
                          record.id = columns->bytes(row, "id");
                          record.edge = columns->bytes(row, "edge");
                          record.fence = static_cast<std::uint64_t>(columns->number(row, "fence"));
                          add(sections, record, columns->number(row, "connected") != 0, at,
                              request.session_prefix);
                          return Done{};
                        }};
  const auto judged = verify(request.archive);
  if (!judged) return judged.error();
  at = rfc3339(judged->created_ms);
  if (const auto walked = walk(request.archive, visitor); !walked) return walked.error();

  std::error_code ec;
  std::filesystem::create_directories(request.folder, ec);
  if (ec) return Error{Errc::io, "cannot make the folder " + request.folder + ": " + ec.message()};
  Exported out;
  out.id = id_of(judged->created_ms);
  out.connections = sections.connected;
  out.sessions = sections.all;
  out.path = request.folder + "/websocket_backup_" + out.id + ".json" + (request.compressed ? ".gz" : "");
  out.metadata_path = request.folder + "/" + out.id + ".metadata.json";
  std::string text = "{\"metadata\":{\"backup_type\":\"full\",\"timestamp\":" + json::quoted(at) +
                     ",\"version\":\"1.0\"},\"connections\":" + sections.connections +
                     "},\"sessions\":" + sections.sessions + "},\"redis_sessions\":" + sections.redis +
                     "}}\n";
  if (request.compressed) text = gzip(text);
  crypto::Digest digest(crypto::Digest::Kind::md5);
  digest.add(text);
  const std::string metadata =
      "{\"backup_id\":" + json::quoted(out.id) +
      ",\"backup_type\":\"full\",\"timestamp\":" + json::quoted(at) +
      ",\"file_path\":" + json::quoted(out.path) + ",\"file_size\":" + std::to_string(text.size()) +
      ",\"checksum\":" + json::quoted(digest.hex()) +
      ",\"connection_count\":" + std::to_string(out.connections) +
      ",\"session_count\":" + std::to_string(out.sessions) +
      ",\"compressed\":" + (request.compressed ? "true" : "false") + ",\"recovery_tested\":false}\n";
  if (auto written = write_atomically(out.path, text, 0600); !written) return written.error();
  if (auto written = write_atomically(out.metadata_path, metadata, 0600); !written) {
    ::unlink(out.path.c_str());
    return written.error();
  }
  return out;
}

}  // namespace tocsin::broker::backup
