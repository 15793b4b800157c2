#pragma once
// SigningKey: a key with the one algorithm it is good for, and signatures made and checked with it.
//
// Invariant: the kind of key decides the algorithm (a shared secret: HS256, RSA: RS256, P-256: ES256,
// Ed25519: EdDSA), so that a public key can never be taken for a secret. Values that share what OpenSSL
// holds; any thread.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

struct evp_pkey_st;
struct ossl_param_bld_st;

namespace tocsin::crypto {

enum class Algorithm : std::uint8_t { hs256, rs256, es256, eddsa };

/// As RFC 7518 and RFC 8037 write it: "HS256", ...
[[nodiscard]] std::string_view name_of(Algorithm algorithm) noexcept;
[[nodiscard]] std::optional<Algorithm> algorithm_named(std::string_view name) noexcept;

inline constexpr std::size_t kMinSecret = 32;  ///< bytes; RFC 7518 asks for as many as the hash has
inline constexpr int kMinRsaBits = 2'048;

class SigningKey {
 public:
  /// For HS256. Fails with invalid_argument when it is shorter than kMinSecret, or looks like a PEM file.
  [[nodiscard]] static Result<SigningKey> secret(std::string bytes);
  /// Every public key of a PEM file. Fails with invalid_argument when there is none, or one is private, too
  /// short, or of a kind that no algorithm here takes.
  [[nodiscard]] static Result<std::vector<SigningKey>> public_pem(std::string_view pem);
  /// A private key that needs no passphrase; it also verifies.
  [[nodiscard]] static Result<SigningKey> private_pem(std::string_view pem);
  // From the numbers of a JWK, as raw big-endian bytes.
  [[nodiscard]] static Result<SigningKey> rsa(std::string_view modulus, std::string_view exponent);
  [[nodiscard]] static Result<SigningKey> p256(std::string_view x, std::string_view y);
  [[nodiscard]] static Result<SigningKey> ed25519(std::string_view x);

  /// The same key for verifying.
  [[nodiscard]] bool operator==(const SigningKey& other) const;
  [[nodiscard]] Algorithm algorithm() const noexcept { return algorithm_; }
  /// False for anything but this key's signature of `text`, in the form of a JWS.
  [[nodiscard]] bool verify(std::string_view text, std::string_view signature) const;
  /// Fails with invalid_argument when this is a public key.
  [[nodiscard]] Result<std::string> sign(std::string_view text) const;

 private:
  using Shared = std::shared_ptr<evp_pkey_st>;
  SigningKey(Algorithm algorithm, Shared key, bool can_sign)
      : algorithm_(algorithm), can_sign_(can_sign), key_(std::move(key)) {}
  static Result<SigningKey> of(Shared key, bool can_sign);
  static Result<SigningKey> from_numbers(const char* kind, ossl_param_bld_st* numbers);

  Algorithm algorithm_;
  bool can_sign_;
  Shared key_;
  std::string secret_;  ///< of HS256
};

}  // namespace tocsin::crypto
