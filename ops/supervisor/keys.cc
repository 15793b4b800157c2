#include "ops/supervisor/keys.h"

#include <unistd.h>

#include "common/crypto/crypto.h"
#include "common/mq/curve.h"
#include "ops/cluster/file.h"

namespace tocsin::ops {

Result<std::string> ensure_keys(const Folder& folder, const std::string& name) {
  const std::string path = folder.key_file(name);
  if (::access(path.c_str(), F_OK) != 0) {
    const auto pair = mq::curve_keypair();
    if (!pair) return pair.error();
    if (auto saved = mq::save_keys(path, *pair); !saved) return saved.error();
  }
  const auto keys = mq::load_keys(path);
  if (!keys) return keys.error();
  const std::string public_file =
      name == "broker" ? folder.broker_public_key_file() : folder.allowed_key_file(name);
  const auto listed = read_file(public_file, 4096);
  if (!listed || *listed != keys->public_key + "\n") {
    if (auto saved = write_atomically(public_file, keys->public_key + "\n"); !saved) return saved.error();
  }
  return keys->public_key;
}

Result<std::string> ensure_token(const Folder& folder) {
  auto token = read_file(folder.token_file(), 4096);
  if (token && !token->empty()) return token;
  const std::string fresh = crypto::random_hex(48);
  if (auto saved = write_atomically(folder.token_file(), fresh, 0600); !saved) return saved.error();
  return fresh;
}

}  // namespace tocsin::ops
