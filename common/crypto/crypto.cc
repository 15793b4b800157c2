#include "common/crypto/crypto.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <cstdio>
#include <cstdlib>

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

}  // namespace

std::string hmac_sha256(std::string_view key, std::string_view text) {
  std::string mac(32, '\0');
  unsigned int size = 0;
  // A null key would mean "the key of the last call" to OpenSSL.
  const void* key_data = key.empty() ? "" : key.data();
  if (HMAC(EVP_sha256(), key_data, static_cast<int>(key.size()), raw(text), text.size(), raw(mac), &size) ==
          nullptr ||
      size != mac.size())
    die("compute HMAC-SHA256");
  return mac;
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
  std::uint64_t out = 0;
  if (RAND_bytes(reinterpret_cast<unsigned char*>(&out), sizeof out) != 1) die("make random bytes");
  return out;
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
    if (!in_alphabet(c)) return Error{Errc::invalid_argument, "not base64url: a character outside its alphabet"};
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
  if (base64url_encode(out) != text) return Error{Errc::invalid_argument, "not base64url: stray bits at the end"};
  return out;
}

}  // namespace tocsin::crypto
