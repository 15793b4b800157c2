#include "common/auth/keyring.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <utility>

namespace tocsin::auth {
namespace {

using crypto::SigningKey;
constexpr std::size_t kMaxKeyFile = std::size_t{1} << 20U;

Result<std::string> content_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Error{Errc::io, std::strerror(errno)};
  std::string text(kMaxKeyFile + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (in.bad()) return Error{Errc::io, "cannot be read"};
  if (text.size() > kMaxKeyFile) return Error{Errc::invalid_argument, "larger than a file of keys can be"};
  return text;
}

Result<std::vector<VerifyingKey>> keys_of(std::string text) {
  std::vector<VerifyingKey> out;
  if (text.find("-----BEGIN") == std::string::npos) {
    text.resize(std::min(text.find('\n'), text.size()));
    while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') text.pop_back();
    auto secret = SigningKey::secret(std::move(text));
    if (!secret) return secret.error();
    out.push_back({{}, *std::move(secret)});
    return out;
  }
  auto keys = SigningKey::public_pem(text);
  if (!keys) return keys.error();
  for (auto& key : *keys) out.push_back({{}, std::move(key)});
  return out;
}

}  // namespace

Status Keyring::load() {
  seen_ = look();
  std::vector<VerifyingKey> found;
  const auto take = [&](const std::string& source, Result<std::string> text, auto parse) -> Status {
    if (!text) return Error{text.error().code, source + ": " + text.error().detail};
    auto keys = parse(*std::move(text));
    if (!keys) return Error{keys.error().code, source + ": " + keys.error().detail};
    for (auto& key : *keys) found.push_back(std::move(key));
    return Done{};
  };
  if (!sources_.key_file.empty())
    if (auto s = take(sources_.key_file, content_of(sources_.key_file), keys_of); !s) return s.error();
  if (!sources_.key_env.empty()) {
    const char* value = std::getenv(sources_.key_env.c_str());
    auto text = value != nullptr ? Result<std::string>(std::string(value))
                                 : Result<std::string>(Error{Errc::invalid_argument, "not set"});
    if (auto s = take("environment variable " + sources_.key_env, std::move(text), keys_of); !s)
      return s.error();
  }
  if (!sources_.jwks_file.empty())
    if (auto s = take(sources_.jwks_file, content_of(sources_.jwks_file),
                      [](const std::string& text) { return parse_jwks(text); });
        !s)
      return s.error();
  if (found.empty()) return Error{Errc::invalid_argument, "there is no key to verify tokens with"};
  keys_ = std::move(found);
  return Done{};
}

std::string Keyring::look() const {
  std::string out;
  for (const auto* path : {&sources_.key_file, &sources_.jwks_file}) {
    struct stat s {};
    if (path->empty() || ::stat(path->c_str(), &s) != 0) {
      out += "- ";
      continue;
    }
    for (const auto part :
         {static_cast<std::int64_t>(s.st_ino), static_cast<std::int64_t>(s.st_size),
          static_cast<std::int64_t>(s.st_mtim.tv_sec), static_cast<std::int64_t>(s.st_mtim.tv_nsec)})
      out.append(std::to_string(part)).append(" ");
  }
  return out;
}

bool Keyring::changed() const { return look() != seen_; }

}  // namespace tocsin::auth
