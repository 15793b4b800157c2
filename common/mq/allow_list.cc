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
}

Result<AllowList> AllowList::open(std::string folder, const Clock& clock) {
  AllowList list(std::move(folder), clock);
  if (auto ok = list.read(); !ok) return ok.error();
  return list;
}

Status AllowList::read() {
  std::error_code ec;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, ec))
    if (entry.path().extension() == ".pub") files.push_back(entry.path());
  if (ec) return Error{Errc::io, folder_ + ": " + ec.message()};
  std::sort(files.begin(), files.end());
  read_at_ = clock_->steady();
  holders_.clear();
  Status first = Done{};
  for (const auto& file : files) {
    const auto key = load_public_key(file.string());
    if (key && holders_.emplace(*key, file.stem().string()).second) continue;
    if (!first) continue;
    first = key ? Error{Errc::invalid_argument,
                        file.string() + " holds the key of " + holders_[*key] + ": give every holder its own"}
                : key.error();
  }
  return first;
}

std::optional<std::string> AllowList::holder(std::string_view key) {
  auto at = holders_.find(key);
  if (at == holders_.end() || clock_->steady() - read_at_ > kFresh) {
    if (auto ok = read(); !ok)
      log::warn("the list of allowed keys does not read well", {{"detail", ok.error().detail}});
    at = holders_.find(key);
  }
  if (at == holders_.end()) return std::nullopt;
  return at->second;
}

}  // namespace tocsin::mq
