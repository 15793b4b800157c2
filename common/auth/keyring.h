#pragma once
// Keyring: the keys that tokens are verified with, from where the settings say, and read again when a file
// changes.
//
// Invariant: once loaded it is never empty, and a source that cannot be read leaves all keys as they were.
// Thread: the loop; reading is blocking, for start-up and rotation.
#include <cstdint>
#include <string>
#include <vector>

#include "common/auth/jwks.h"

namespace tocsin::auth {

/// Each may be empty; the keys of all that are set count.
struct KeySources {
  std::string key_file;   ///< public keys in PEM, or the secret of HS256 in its first line
  std::string key_env;    ///< name of an environment variable that holds the same
  std::string jwks_file;  ///< a JWK set; a key counts as long as it is listed
  [[nodiscard]] bool empty() const noexcept {
    return key_file.empty() && key_env.empty() && jwks_file.empty();
  }
  bool operator==(const KeySources&) const = default;
};

class Keyring {
 public:
  explicit Keyring(KeySources sources) : sources_(std::move(sources)) {}

  /// Reads every source. Fails with io or invalid_argument, naming the source; the keys then stay.
  [[nodiscard]] Status load();
  /// A file is another one than at the last load(), successful or not.
  [[nodiscard]] bool changed() const;
  [[nodiscard]] const std::vector<VerifyingKey>& keys() const noexcept { return keys_; }

 private:
  /// Tells one version of the files from another.
  [[nodiscard]] std::string look() const;

  KeySources sources_;
  std::vector<VerifyingKey> keys_;
  std::string seen_;
};

}  // namespace tocsin::auth
