#include "common/crypto/digest.h"

#include <openssl/evp.h>

#include <array>
#include <stdexcept>

namespace tocsin::crypto {

void Digest::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

Digest::Digest(Kind kind) : context_(EVP_MD_CTX_new()) {
  const EVP_MD* algorithm = kind == Kind::sha256 ? EVP_sha256() : EVP_md5();
  if (!context_ || EVP_DigestInit_ex(context_.get(), algorithm, nullptr) != 1)
    throw std::runtime_error("OpenSSL does not offer this hash");
}

void Digest::add(std::string_view bytes) noexcept {
  EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size());
}

std::string Digest::hex() {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::array<unsigned char, EVP_MAX_MD_SIZE> raw{};
  unsigned int size = 0;
  EVP_DigestFinal_ex(context_.get(), raw.data(), &size);
  std::string out;
  for (unsigned int i = 0; i < size; ++i) {
    out += kDigits[raw[i] >> 4U];
    out += kDigits[raw[i] & 15U];
  }
  return out;
}

}  // namespace tocsin::crypto
