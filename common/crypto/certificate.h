#pragma once
// Certificates as an operator asks about them: what is in a PEM file, whether clients would believe it, how
// long still, and self-signed ones for development. Times are seconds since 1970. Pure functions, but for the
// system's list of authorities; any thread.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace tocsin::crypto {

struct CertificateFacts {
  std::string subject;  ///< CN=edge-0
  std::string issuer;
  std::vector<std::string> names;  ///< DNS names and addresses it is for
  std::string key;                 ///< "EC P-256", "RSA 2048"
  std::int64_t not_before_s = 0;
  std::int64_t not_after_s = 0;
};

struct CertificateQuestion {
  std::string_view chain_pem;      ///< the server's own first
  std::string_view key_pem;        ///< empty: not asked about
  std::string ca_file;             ///< empty: the system's authorities
  std::vector<std::string> hosts;  ///< that clients will ask for; each must be among its names
  std::int64_t now_s = 0;
};

struct CertificateAnswer {
  std::vector<CertificateFacts> chain;
  std::int64_t not_after_s = 0;       ///< the first of them to end
  std::vector<std::string> problems;  ///< each a sentence; none: clients will believe it
};

/// Fails with invalid_argument when the text holds no certificate, or the authorities cannot be read.
[[nodiscard]] Result<CertificateAnswer> examine(const CertificateQuestion& question);

struct SelfSigned {
  std::string certificate_pem;
  std::string key_pem;
};
/// A certificate for these DNS names and addresses, signed with its own new P-256 key. Fails with
/// invalid_argument for a name that is none.
[[nodiscard]] Result<SelfSigned> self_signed(const std::vector<std::string>& names, std::int64_t days);

}  // namespace tocsin::crypto
