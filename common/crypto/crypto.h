#pragma once
// The few cryptographic operations Tocsin needs, on OpenSSL 3: signing tickets, comparing secrets, making
// ids. Pure functions; any thread.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/result.h"

namespace tocsin::crypto {

/// The 32 raw bytes of HMAC-SHA256. `key` may have any length; an empty one is allowed but protects nothing.
[[nodiscard]] std::string hmac_sha256(std::string_view key, std::string_view text);

/// The 32 raw bytes of SHA-256.
[[nodiscard]] std::string sha256(std::string_view text);

/// Equal or not, in a time that depends on the lengths only.
[[nodiscard]] bool constant_time_equal(std::string_view a, std::string_view b) noexcept;

/// Bytes fit for keys. Aborts the process if the system has no randomness.
[[nodiscard]] std::string random_bytes(std::size_t count);
[[nodiscard]] std::uint64_t random_u64();
/// `digits` lower-case hexadecimal digits.
[[nodiscard]] std::string random_hex(std::size_t digits);

/// RFC 4648 section 5, without padding.
[[nodiscard]] std::string base64url_encode(std::string_view bytes);
/// The inverse of base64url_encode. Fails with invalid_argument on anything that function would not have
/// written: padding, other characters, an impossible length, stray bits in the last character.
[[nodiscard]] Result<std::string> base64url_decode(std::string_view text);

}  // namespace tocsin::crypto
