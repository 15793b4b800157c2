#include "common/crypto/crypto.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>

namespace tocsin::crypto {
namespace {

const unsigned char* raw(std::string_view s) { return reinterpret_cast<const unsigned char*>(s.data()); }
unsigned char* raw(std::string& s) { return reinterpret_cast<unsigned char*>(s.data()); }

[[noreturn]] void die(const char* what) {
  std::fprintf(stderr, "OpenSSL cannot %s; cannot go on\n", what);
  std::abort();
}

bool in_alphabet(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/// HMAC() looks its algorithm up and hashes the key anew each time, which costs more than the text does. This
/// remembers one key: a process signs with one.
struct KeyedMac {
  struct Free {
    void operator()(EVP_MAC_CTX* c) const noexcept { EVP_MAC_CTX_free(c); }
  };
  std::unique_ptr<EVP_MAC_CTX, Free> context;
  std::string key;

  bool start(std::string_view wanted) {
    if (context && key == wanted && !key.empty())
      return EVP_MAC_init(context.get(), nullptr, 0, nullptr) == 1;
    EVP_MAC* mac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    context.reset(mac != nullptr ? EVP_MAC_CTX_new(mac) : nullptr);
    EVP_MAC_free(mac);  // the context holds it
    key = wanted;
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                                 OSSL_PARAM_construct_end()};
    // A null key would mean the key of the last call to OpenSSL.
    return context &&
           EVP_MAC_init(context.get(), raw(key.empty() ? std::string_view{""} : std::string_view{key}),
                        key.size(), params) == 1;
  }
};

}  // namespace

std::string hmac_sha256(std::string_view key, std::string_view text) {
  thread_local KeyedMac cached;
  std::string mac(32, '\0');
  std::size_t size = 0;
  if (!cached.start(key) || EVP_MAC_update(cached.context.get(), raw(text), text.size()) != 1 ||
      EVP_MAC_final(cached.context.get(), raw(mac), &size, mac.size()) != 1 || size != mac.size())
    die("compute HMAC-SHA256");
  return mac;
}

std::string sha256(std::string_view text) {
  std::string out(32, '\0');
  if (EVP_Digest(text.data(), text.size(), raw(out), nullptr, EVP_sha256(), nullptr) != 1) die("hash");
  return out;
}

bool constant_time_equal(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string random_bytes(std::size_t count) {
  std::string out(count, '\0');
  if (RAND_bytes(raw(out), static_cast<int>(count)) != 1) die("make random bytes");
  return out;
}

std::uint64_t random_u64() {
  thread_local std::array<std::uint64_t, 64> words;  // asked for one by one they cost two system calls each
  thread_local std::size_t left = 0;
  if (left == 0) {
    if (RAND_bytes(reinterpret_cast<unsigned char*>(words.data()), sizeof words) != 1)
      die("make random bytes");
    left = words.size();
  }
  return std::exchange(words[--left], 0);
}

std::string random_hex(std::size_t digits) {
  constexpr char kDigits[] = "0123456789abcdef";
  const std::string bytes = random_bytes((digits + 1) / 2);
  std::string out(digits, '\0');
  for (std::size_t i = 0; i < digits; ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i / 2]);
    out[i] = kDigits[i % 2 == 0 ? byte >> 4 : byte & 0xf];
  }
  return out;
}

std::string base64url_encode(std::string_view bytes) {
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');  // OpenSSL ends it with a zero
  const int size = EVP_EncodeBlock(raw(out), raw(bytes), static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  while (!out.empty() && out.back() == '=') out.pop_back();
  for (char& c : out) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return out;
}

Result<std::string> base64url_decode(std::string_view text) {
  std::string padded{text};
  for (char& c : padded) {
    if (!in_alphabet(c))
      return Error{Errc::invalid_argument, "not base64url: a character outside its alphabet"};
    c = c == '-' ? '+' : c == '_' ? '/' : c;
  }
  if (text.size() % 4 == 1) return Error{Errc::invalid_argument, "not base64url: impossible length"};
  const std::size_t padding = (4 - text.size() % 4) % 4;
  padded.append(padding, '=');
  std::string out(padded.size() / 4 * 3, '\0');
  if (EVP_DecodeBlock(raw(out), raw(std::string_view{padded}), static_cast<int>(padded.size())) < 0)
    return Error{Errc::invalid_argument, "not base64url"};
  out.resize(out.size() - padding);
  // A signature has one spelling only, or a token could be altered and still be accepted.
  if (base64url_encode(out) != text)
    return Error{Errc::invalid_argument, "not base64url: stray bits at the end"};
  return out;
}

}  // namespace tocsin::crypto
