#include "common/crypto/signing_key.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include <array>
#include <utility>

#include "common/crypto/crypto.h"

namespace tocsin::crypto {
namespace {

constexpr std::array<std::string_view, 4> kNames{"HS256", "RS256", "ES256", "EdDSA"};
constexpr int kCoordinate = 32;  ///< bytes of a number of P-256
constexpr std::string_view kPemBlock = "-----BEGIN ";
constexpr std::size_t kMaxPemKeys = 64;
constexpr std::size_t kMaxNumber = 2'048;  ///< bytes of an RSA modulus of 16384 bits

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* p) const noexcept {
    Free(p);
  }
};
using Bio = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using Number = std::unique_ptr<BIGNUM, Freed<BN_free>>;
using Numbers = std::unique_ptr<OSSL_PARAM_BLD, Freed<OSSL_PARAM_BLD_free>>;
using Digest = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;
using Pair = std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG_free>>;

const unsigned char* raw(std::string_view s) { return reinterpret_cast<const unsigned char*>(s.data()); }
unsigned char* raw(std::string& s) { return reinterpret_cast<unsigned char*>(s.data()); }

Error bad(std::string why) {
  ERR_clear_error();  // or the next to look, the TLS of a connection, would find our failure
  return {Errc::invalid_argument, std::move(why)};
}

Bio reader(std::string_view text) { return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

int no_passphrase(char*, int, int, void*) { return -1; }

const EVP_MD* digest_of(Algorithm algorithm) {
  return algorithm == Algorithm::eddsa ? nullptr : EVP_sha256();
}

/// A JWS has the two numbers of an ECDSA signature side by side, OpenSSL wants them in DER.
std::string der_of(std::string_view pair) {
  const Pair signature(ECDSA_SIG_new());
  Number r(BN_bin2bn(raw(pair), kCoordinate, nullptr));
  Number s(BN_bin2bn(raw(pair.substr(kCoordinate)), kCoordinate, nullptr));
  if (!signature || ECDSA_SIG_set0(signature.get(), r.get(), s.get()) != 1) return {};
  (void)r.release();
  (void)s.release();
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(signature.get(), &der);
  std::string out(reinterpret_cast<char*>(der), size > 0 ? static_cast<std::size_t>(size) : 0);
  OPENSSL_free(der);
  return out;
}

std::string pair_of(std::string_view der) {
  const unsigned char* at = raw(der);
  const Pair signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  std::string out(2 * kCoordinate, '\0');
  if (!signature || BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), raw(out), kCoordinate) != kCoordinate ||
      BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), raw(out) + kCoordinate, kCoordinate) != kCoordinate)
    return {};
  return out;
}

}  // namespace

std::string_view name_of(Algorithm algorithm) noexcept { return kNames[static_cast<std::size_t>(algorithm)]; }

std::optional<Algorithm> algorithm_named(std::string_view name) noexcept {
  for (std::size_t i = 0; i < kNames.size(); ++i)
    if (kNames[i] == name) return static_cast<Algorithm>(i);
  return std::nullopt;
}

Result<SigningKey> SigningKey::secret(std::string bytes) {
  if (bytes.find("-----BEGIN") != std::string::npos) return bad("a PEM key is no shared secret");
  if (bytes.size() < kMinSecret)
    return bad("a shared secret has at least " + std::to_string(kMinSecret) + " bytes");
  SigningKey key(Algorithm::hs256, nullptr, true);
  key.secret_ = std::move(bytes);
  return key;
}

Result<SigningKey> SigningKey::of(Shared key, bool can_sign) {
  if (EVP_PKEY_is_a(key.get(), "ED25519") == 1) return SigningKey(Algorithm::eddsa, std::move(key), can_sign);
  if (EVP_PKEY_is_a(key.get(), "RSA") == 1) {
    if (EVP_PKEY_get_bits(key.get()) < kMinRsaBits)
      return bad("an RSA key has at least " + std::to_string(kMinRsaBits) + " bits");
    return SigningKey(Algorithm::rs256, std::move(key), can_sign);
  }
  std::array<char, 32> group{};
  if (EVP_PKEY_is_a(key.get(), "EC") == 1 &&
      EVP_PKEY_get_group_name(key.get(), group.data(), group.size(), nullptr) == 1 &&
      std::string_view(group.data()) == "prime256v1")
    return SigningKey(Algorithm::es256, std::move(key), can_sign);
  return bad("keys are RSA, EC on P-256, or Ed25519");
}

Result<std::vector<SigningKey>> SigningKey::public_pem(std::string_view pem) {
  if (pem.find("PRIVATE KEY") != std::string_view::npos)
    return bad("a private key was given where only its public half belongs");
  std::vector<SigningKey> keys;
  const Bio in = reader(pem);
  while (EVP_PKEY* read = PEM_read_bio_PUBKEY(in.get(), nullptr, no_passphrase, nullptr)) {
    auto key = of(Shared(read, EVP_PKEY_free), false);
    if (!key) return key.error();
    if (keys.size() == kMaxPemKeys) return bad("at most 64 keys in a file");
    keys.push_back(*std::move(key));
  }
  // A block that cannot be read would otherwise hide itself and the keys behind it.
  std::size_t blocks = 0;
  for (auto at = pem.find(kPemBlock); at != std::string_view::npos; at = pem.find(kPemBlock, at + 1))
    ++blocks;
  if (keys.empty() || blocks != keys.size()) return bad("not a PEM file of public keys");
  ERR_clear_error();
  return keys;
}

Result<SigningKey> SigningKey::private_pem(std::string_view pem) {
  const Bio in = reader(pem);
  EVP_PKEY* read = PEM_read_bio_PrivateKey(in.get(), nullptr, no_passphrase, nullptr);
  if (read == nullptr) return bad("not a PEM file of a private key without passphrase");
  return of(Shared(read, EVP_PKEY_free), true);
}

Result<SigningKey> SigningKey::from_numbers(const char* kind, OSSL_PARAM_BLD* numbers) {
  const std::unique_ptr<OSSL_PARAM, Freed<OSSL_PARAM_free>> params(OSSL_PARAM_BLD_to_param(numbers));
  const std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>> context(
      EVP_PKEY_CTX_new_from_name(nullptr, kind, nullptr));
  EVP_PKEY* made = nullptr;
  if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, params.get()) != 1)
    return bad(std::string("not the numbers of a public ") + kind + " key");
  Shared key(made, EVP_PKEY_free);
  const std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>> check(
      EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
  if (!check || EVP_PKEY_public_check(check.get()) != 1)
    return bad(std::string("not the numbers of a public ") + kind + " key");
  return of(std::move(key), false);
}

Result<SigningKey> SigningKey::rsa(std::string_view modulus, std::string_view exponent) {
  if (modulus.empty() || modulus.size() > kMaxNumber || exponent.empty() || exponent.size() > 8)
    return bad("not the numbers of a public RSA key");
  const Number n(BN_bin2bn(raw(modulus), static_cast<int>(modulus.size()), nullptr));
  const Number e(BN_bin2bn(raw(exponent), static_cast<int>(exponent.size()), nullptr));
  const Numbers numbers(OSSL_PARAM_BLD_new());
  if (!n || !e || !numbers || OSSL_PARAM_BLD_push_BN(numbers.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(numbers.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1)
    return bad("not the numbers of a public RSA key");
  return from_numbers("RSA", numbers.get());
}

Result<SigningKey> SigningKey::p256(std::string_view x, std::string_view y) {
  if (x.size() != kCoordinate || y.size() != kCoordinate) return bad("a coordinate of P-256 has 32 bytes");
  const std::string point = std::string("\x04").append(x).append(y);
  const Numbers numbers(OSSL_PARAM_BLD_new());
  if (!numbers ||
      OSSL_PARAM_BLD_push_utf8_string(numbers.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(numbers.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) !=
          1)
    return bad("not the numbers of a public EC key");
  return from_numbers("EC", numbers.get());
}

Result<SigningKey> SigningKey::ed25519(std::string_view x) {
  EVP_PKEY* made = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, raw(x), x.size());
  if (made == nullptr) return bad("a public Ed25519 key has 32 bytes");
  return of(Shared(made, EVP_PKEY_free), false);
}

bool SigningKey::operator==(const SigningKey& other) const {
  if (algorithm_ != other.algorithm_) return false;
  if (algorithm_ == Algorithm::hs256) return secret_ == other.secret_;
  return EVP_PKEY_eq(key_.get(), other.key_.get()) == 1;
}

bool SigningKey::verify(std::string_view text, std::string_view signature) const {
  if (algorithm_ == Algorithm::hs256) return constant_time_equal(hmac_sha256(secret_, text), signature);
  std::string der;
  if (algorithm_ == Algorithm::es256) {
    if (signature.size() != 2 * kCoordinate) return false;
    der = der_of(signature);
    signature = der;
  }
  const Digest context(EVP_MD_CTX_new());
  const bool good =
      context &&
      EVP_DigestVerifyInit(context.get(), nullptr, digest_of(algorithm_), nullptr, key_.get()) == 1 &&
      EVP_DigestVerify(context.get(), raw(signature), signature.size(), raw(text), text.size()) == 1;
  if (!good) ERR_clear_error();
  return good;
}

Result<std::string> SigningKey::sign(std::string_view text) const {
  if (!can_sign_) return bad("a public key cannot sign");
  if (algorithm_ == Algorithm::hs256) return hmac_sha256(secret_, text);
  const Digest context(EVP_MD_CTX_new());
  std::size_t size = 0;
  if (!context ||
      EVP_DigestSignInit(context.get(), nullptr, digest_of(algorithm_), nullptr, key_.get()) != 1 ||
      EVP_DigestSign(context.get(), nullptr, &size, raw(text), text.size()) != 1)
    return bad("the key cannot sign");
  std::string out(size, '\0');
  if (EVP_DigestSign(context.get(), raw(out), &size, raw(text), text.size()) != 1)
    return bad("the key cannot sign");
  out.resize(size);
  return algorithm_ == Algorithm::es256 ? pair_of(out) : out;
}

}  // namespace tocsin::crypto
