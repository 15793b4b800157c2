#include "common/mq/allow_list.h"

#include <algorithm>
#include <filesystem>
#include <utility>
#include <vector>

#include "common/log/log.h"
#include "common/mq/curve.h"

namespace tocsin::mq {
namespace {
constexpr std::chrono::seconds kFresh{1};
/// A file that was written in place leaves no trace in its folder.
constexpr std::chrono::seconds kInAnyCase{10};
}  // namespace

Result<AllowList> AllowList::open(std::string folder, const Clock& clock) {
  AllowList list(std::move(folder), clock);
  if (auto ok = list.read(); !ok) return ok.error();
  return list;
}

Status AllowList::read() {
  std::error_code ec;
  std::vector<std::filesystem::path> files;
  const auto changed_at = std::filesystem::last_write_time(folder_, ec);
  if (!ec)
    for (const auto& entry : std::filesystem::directory_iterator(folder_, ec))
      if (entry.path().extension() == ".pub") files.push_back(entry.path());
  read_at_ = clock_->steady();
  if (ec) return Error{Errc::io, folder_ + ": " + ec.message()};
  changed_at_ = changed_at;
  std::sort(files.begin(), files.end());
  holders_.clear();
  Status first = Done{};
  for (const auto& file : files) {
    const auto keys = load_public_keys(file.string());
    if (!keys) {
      if (first) first = keys.error();
      continue;
    }
    for (const auto& key : *keys) {
      const auto [at, added] = holders_.emplace(key, file.stem().string());
      if (added || at->second == file.stem() || !first) continue;
      first = Error{Errc::invalid_argument,
                    file.string() + " holds the key of " + at->second + ": give every holder its own"};
    }
  }
  return first;
}

void AllowList::read_and_tell() {
  if (auto ok = read(); !ok)
    log::warn("the list of allowed keys does not read well", {{"detail", ok.error().detail}});
}

std::optional<std::string> AllowList::holder(std::string_view key) {
  auto at = holders_.find(key);
  if (at == holders_.end() || clock_->steady() - read_at_ > kFresh) {
    read_and_tell();
    at = holders_.find(key);
  }
  if (at == holders_.end()) return std::nullopt;
  return at->second;
}

void AllowList::refresh() {
  std::error_code ec;
  const auto changed_at = std::filesystem::last_write_time(folder_, ec);
  if (!ec && changed_at == changed_at_ && clock_->steady() - read_at_ < kInAnyCase) return;
  read_and_tell();
}

}  // namespace tocsin::mq
