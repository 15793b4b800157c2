#pragma once
// Digest: a hash of bytes that come in pieces. MD5 is for formats of other systems that ask for it: it says
// that a file was not cut, not who made it.
// Values that move; one thread at a time.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace tocsin::crypto {

class Digest {
 public:
  enum class Kind : std::uint8_t { sha256, md5 };
  /// Throws std::runtime_error when OpenSSL does not have the algorithm (MD5 on a FIPS-only system).
  explicit Digest(Kind kind);

  void add(std::string_view bytes) noexcept;
  /// In lower-case hexadecimal. Once: nothing is added afterwards.
  [[nodiscard]] std::string hex();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

}  // namespace tocsin::crypto
