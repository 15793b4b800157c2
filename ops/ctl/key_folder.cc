#include "ops/ctl/key_folder.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>

#include "ops/cluster/file.h"

namespace tocsin::ops {
namespace {

constexpr const char* kBroker = "broker";
constexpr std::size_t kMaxName = 128;

bool there(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

Status write_public(const std::string& path, const std::vector<std::string>& keys) {
  std::string text;
  for (const auto& key : keys) text += key + "\n";
  return write_atomically(path, text);
}

}  // namespace

Status KeyFolder::check_name(const std::string& name) {
  const bool fits = !name.empty() && name.size() <= kMaxName && name.front() != '.' &&
                    std::all_of(name.begin(), name.end(), [](char c) {
                      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                             c == '-' || c == '_' || c == '.';
                    });
  if (fits) return Done{};
  return Error{
      Errc::invalid_argument,
      "\"" + name + "\" cannot be a holder's name: letters, digits, - _ and . that it does not begin with"};
}

Result<KeyFolder::Entry> KeyFolder::find(const std::string& name) const {
  if (auto ok = check_name(name); !ok) return ok.error();
  Entry entry;
  entry.name = name;
  const std::string own = folder_.key_file(name);
  const std::string list = public_file(name);
  if (!there(own) && !there(list))
    return Error{Errc::not_found,
                 folder_.keys() + " has no key of \"" + name + "\"; tocsinctl keys make " + name};
  if (there(own)) {
    if (auto keys = mq::load_keys(own))
      entry.key = keys->public_key;
    else
      entry.trouble = keys.error().detail;
  }
  if (there(list)) {
    if (auto keys = mq::load_public_keys(list))
      entry.allowed = *std::move(keys);
    else
      entry.trouble = keys.error().detail;
  }
  const bool listed = std::find(entry.allowed.begin(), entry.allowed.end(), entry.key) != entry.allowed.end();
  if (entry.trouble.empty() && !entry.key.empty() && !listed)
    entry.trouble = "its key is not on the allow-list";
  if (entry.trouble.empty() && entry.allowed.size() > 1)
    entry.trouble = "an older key is still good; tocsinctl keys retire " + name;
  return entry;
}

Result<std::vector<KeyFolder::Entry>> KeyFolder::list() const {
  std::set<std::string> names;
  std::error_code ec;
  for (const auto& file : std::filesystem::directory_iterator(folder_.keys(), ec))
    if (file.path().extension() == ".json") names.insert(file.path().stem());
  if (!ec)
    for (const auto& file : std::filesystem::directory_iterator(folder_.allowed_keys(), ec))
      if (file.path().extension() == ".pub") names.insert(file.path().stem());
  if (ec) return Error{Errc::io, folder_.keys() + ": " + ec.message() + "; is that a cluster's folder?"};
  std::vector<Entry> out;
  for (const auto& name : names) {
    auto entry = find(name);
    if (!entry) return entry.error();
    out.insert(name == kBroker ? out.begin() : out.end(), *std::move(entry));
  }
  return out;
}

Result<std::string> KeyFolder::make(const std::string& name) const {
  if (auto ok = check_name(name); !ok) return ok.error();
  if (there(folder_.key_file(name)) || there(public_file(name)))
    return Error{Errc::conflict,
                 name + " has a key already; tocsinctl keys rotate " + name + " gives it another"};
  if (auto made = make_folder(folder_.keys(), 0700); !made) return made.error();
  if (auto made = make_folder(folder_.allowed_keys()); !made) return made.error();
  const auto pair = mq::curve_keypair();
  if (!pair) return pair.error();
  if (auto saved = mq::save_keys(folder_.key_file(name), *pair); !saved) return saved.error();
  if (auto saved = write_public(public_file(name), {pair->public_key}); !saved) return saved.error();
  return pair->public_key;
}

Status KeyFolder::replace(const std::string& name, const mq::CurveKeys& fresh) const {
  const auto entry = find(name);
  if (!entry) return entry.error();
  if (entry->key.empty())
    return Error{Errc::not_found,
                 folder_.key_file(name) + " is not here: rotate the key where its holder keeps it"};
  if (name == kBroker) {  // edges look at the file when the key they know is refused, and not before
    if (auto saved = mq::save_keys(folder_.key_file(name), fresh); !saved) return saved;
    return write_public(public_file(name), {fresh.public_key});
  }
  std::vector<std::string> good{fresh.public_key};
  if (!entry->key.empty()) good.push_back(entry->key);
  if (auto saved = write_public(public_file(name), good); !saved) return saved;
  return mq::save_keys(folder_.key_file(name), fresh);
}

Status KeyFolder::retire(const std::string& name) const {
  const auto entry = find(name);
  if (!entry) return entry.error();
  if (entry->key.empty())
    return Error{Errc::not_found,
                 folder_.key_file(name) + " is not here: which of the keys is the good one?"};
  return write_public(public_file(name), {entry->key});
}

Status KeyFolder::remove(const std::string& name) const {
  if (name == kBroker)
    return Error{Errc::invalid_argument, "the broker is not on the allow-list; rotate its key"};
  if (auto entry = find(name); !entry) return entry.error();
  const std::string path = public_file(name);
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return Done{};
  return Error{Errc::io, path + ": " + std::strerror(errno)};
}

}  // namespace tocsin::ops
