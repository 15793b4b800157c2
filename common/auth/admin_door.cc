#include "common/auth/admin_door.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "common/crypto/crypto.h"
#include "common/file.h"

namespace tocsin::auth {
namespace {

constexpr std::array<std::string_view, 3> kRoles{"viewer", "operator", "admin"};
constexpr std::string_view kHash = "sha256:";
constexpr std::string_view kBearer = "bearer ";
constexpr std::size_t kMaxName = 64;

std::string hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out.push_back(kDigits[byte >> 4U]);
    out.push_back(kDigits[byte & 15U]);
  }
  return out;
}

int digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

std::optional<std::string> unhex(std::string_view text) {
  std::string out;
  if (text.size() != 64) return std::nullopt;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = digit(text[i]);
    const int low = digit(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<char>(high * 16 + low));
  }
  return out;
}

bool printable(std::string_view name) {
  return !name.empty() && name.size() <= kMaxName &&
         std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

std::string_view token_of(std::string_view authorization) {
  if (authorization.size() <= kBearer.size()) return {};
  for (std::size_t i = 0; i < kBearer.size(); ++i)
    if (static_cast<char>(authorization[i] | 0x20) != kBearer[i]) return {};
  return authorization.substr(kBearer.size());
}

}  // namespace

std::string_view name_of(Role role) noexcept { return kRoles[static_cast<std::size_t>(role)]; }

std::optional<Role> role_named(std::string_view name) noexcept {
  const auto at = std::find(kRoles.begin(), kRoles.end(), name);
  if (at == kRoles.end()) return std::nullopt;
  return static_cast<Role>(at - kRoles.begin());
}

std::string roles_line(Role role, std::string_view name, std::string_view token) {
  return std::string(name_of(role)).append(" ").append(name).append(" ").append(kHash) +
         hex(crypto::sha256(token)) + "\n";
}

Status AdminDoor::read_roles(const std::string& file, std::vector<Entry>& out) {
  std::ifstream in(file);
  if (!in) return Error{Errc::invalid_argument, "admin.roles_file: " + file + ": " + std::strerror(errno)};
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string role;
    std::string name;
    std::string hash;
    std::string more;
    if (!(words >> role)) continue;
    words >> name >> hash >> more;
    const auto known = role_named(role);
    const auto raw =
        hash.starts_with(kHash) ? unhex(std::string_view(hash).substr(kHash.size())) : std::nullopt;
    if (!known || !printable(name) || !raw || !more.empty())
      return Error{
          Errc::invalid_argument,
          "admin.roles_file: " + file + ":" + std::to_string(number) +
              ": a line is `viewer|operator|admin NAME sha256:HASH`; tocsinctl token admin writes one"};
    out.push_back({*known, name, *raw});
  }
  return Done{};
}

Status AdminDoor::prepare(const AdminSettings& settings) {
  next_.reset();
  State state;
  state.loopback = settings.loopback;
  if (!settings.token_file.empty()) {
    auto secret = read_secret(settings.token_file);
    if (!secret) return Error{Errc::invalid_argument, "admin.token_file: " + secret.error().detail};
    state.entries.push_back({Role::admin, "admin", crypto::sha256(*secret)});
  }
  if (!settings.roles_file.empty())
    if (auto read = read_roles(settings.roles_file, state.entries); !read) return read;
  next_ = std::move(state);
  return Done{};
}

void AdminDoor::take() {
  if (next_) now_ = *std::exchange(next_, std::nullopt);
}

Result<Administrator> AdminDoor::admit(std::string_view authorization, bool local, Role needed) const {
  std::optional<Administrator> who;
  if (const auto token = token_of(authorization); !token.empty()) {
    const std::string hash = crypto::sha256(token);
    for (const auto& entry : now_.entries)  // all of them: the time tells nothing of which one
      if (crypto::constant_time_equal(hash, entry.hash) && (!who || entry.role > who->role))
        who = Administrator{entry.role, entry.name};
  } else if (now_.loopback && local && authorization.empty()) {
    who = Administrator{Role::operate, "local"};
  }
  if (who && who->role >= needed) return *std::move(who);
  if (who)
    return Error{Errc::forbidden, who->name + " is " + std::string(name_of(who->role)) +
                                      ", and this needs the role " + std::string(name_of(needed))};
  if (now_.entries.empty() && !now_.loopback)
    return Error{Errc::forbidden, "none of admin.token_file, admin.roles_file and admin.loopback is set"};
  if (now_.entries.empty()) return Error{Errc::forbidden, "only from this host, and by no browser"};
  return Error{
      Errc::unauthorized,
      "send Authorization: Bearer with the token of admin.token_file, or one that admin.roles_file lists"};
}

}  // namespace tocsin::auth
