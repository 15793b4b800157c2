#include "broker/backup/shelf.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <filesystem>

#include "broker/backup/archive_reader.h"

namespace tocsin::broker::backup {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view kPrefix = "tocsin-";
constexpr std::string_view kSuffix = ".tar";
constexpr std::string_view kPartial = ".tar.partial";
constexpr std::int64_t kDayMs = 86'400'000;

/// Files of the folder whose names have our form and end in `suffix`.
Result<std::vector<fs::path>> files(const std::string& folder, std::string_view suffix) {
  std::vector<fs::path> out;
  std::error_code ec;
  if (!fs::exists(folder, ec) && !ec) return out;
  for (fs::directory_iterator entry(folder, ec), end; !ec && entry != end; entry.increment(ec)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with(kPrefix) && name.ends_with(suffix)) out.push_back(entry->path());
  }
  if (ec) return Error{Errc::io, "cannot look into " + folder + ": " + ec.message()};
  return out;
}

/// "-10" after "-9", and both after none.
bool newer(const fs::path& a, const fs::path& b) {
  const auto key = [](const fs::path& path) {
    const std::string name = path.stem().string();
    constexpr std::size_t kStamp = 7 + 16;
    return std::pair(name.substr(0, kStamp), std::pair(name.size(), name));
  };
  return key(a) > key(b);
}

Entry look(const fs::path& path) {
  Entry entry;
  entry.path = path.string();
  std::error_code ec;
  entry.file_bytes = fs::file_size(path, ec);
  const auto archive = ArchiveReader::open(entry.path);
  if (archive)
    entry.manifest = (*archive)->manifest();
  else
    entry.problem = archive.error().detail;
  return entry;
}

}  // namespace

std::string folder_for(const std::string& data_dir, const std::string& configured) {
  if (!configured.empty()) return configured;
  const fs::path absolute = fs::absolute(data_dir).lexically_normal();
  return ((absolute.has_filename() ? absolute : absolute.parent_path()).parent_path() / "backups").string();
}

std::string free_name(const std::string& folder, std::int64_t wall_ms) {
  const std::time_t seconds = wall_ms / 1'000;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  std::array<char, 32> stamp{};
  std::strftime(stamp.data(), stamp.size(), "%Y%m%dT%H%M%SZ", &utc);
  const std::string base = folder + "/" + std::string(kPrefix) + stamp.data();
  std::string path = base + std::string(kSuffix);
  std::error_code ec;
  for (int n = 2; fs::exists(path, ec) || fs::exists(path + ".partial", ec); ++n)
    path = base + "-" + std::to_string(n) + std::string(kSuffix);
  return path;
}

Result<std::vector<Entry>> list(const std::string& folder) {
  auto found = files(folder, kSuffix);
  if (!found) return found.error();
  std::sort(found->begin(), found->end(), newer);
  std::vector<Entry> out;
  for (const fs::path& path : *found) out.push_back(look(path));
  return out;
}

Result<Pruned> prune(const std::string& folder, const Retention& rules, std::int64_t now_ms, bool really) {
  const auto entries = list(folder);
  if (!entries) return entries.error();
  Pruned out;
  std::uint64_t seen = 0;
  std::error_code ec;
  for (const Entry& entry : *entries) {
    if (!entry.manifest) continue;
    ++seen;
    const bool many = rules.keep > 0 && seen > rules.keep;
    const bool old = rules.keep_days > 0 && now_ms - entry.manifest->created_ms >
                                                static_cast<std::int64_t>(rules.keep_days) * kDayMs;
    if (seen == 1 || (!many && !old)) continue;
    if (really && !fs::remove(entry.path, ec) && ec)
      return Error{Errc::io, "cannot remove " + entry.path + ": " + ec.message()};
    out.removed.push_back(entry.path);
    out.bytes += entry.file_bytes;
  }
  auto left = files(folder, kPartial);
  if (!left) return left.error();
  for (const fs::path& path : *left) {
    const auto written = fs::last_write_time(path, ec);
    if (ec || fs::file_time_type::clock::now() - written < std::chrono::hours(1)) continue;
    out.bytes += fs::file_size(path, ec);
    if (really && !fs::remove(path, ec) && ec)
      return Error{Errc::io, "cannot remove " + path.string() + ": " + ec.message()};
    out.leftovers.push_back(path.string());
  }
  return out;
}

}  // namespace tocsin::broker::backup
