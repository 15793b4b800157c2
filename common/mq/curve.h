#pragma once
// CURVE keys (RFC 26, curvezmq.org) of the processes, and their files. Text keys are Z85, 40 characters.
//
// A key file is JSON {"public":"...","secret":"..."} of mode 0600. A public key file (*.pub) holds the 40
// characters; on an allow-list more lines may follow, each a key of the same holder (of one that is being
// replaced). Any thread; files are read and written at once.
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace tocsin::mq {

struct CurveKeys {
  std::string public_key;
  std::string secret_key;
};

/// A new pair. Fails with io when ZeroMQ was built without CURVE.
[[nodiscard]] Result<CurveKeys> curve_keypair();

/// Writes the pair to `path` (mode 0600) atomically. Fails with io.
[[nodiscard]] Status save_keys(const std::string& path, const CurveKeys& keys);
/// Fails with io, with invalid_argument when the file is not a key pair, and with forbidden when others may
/// read it.
[[nodiscard]] Result<CurveKeys> load_keys(const std::string& path);
/// The public key in a *.pub file or in a key file.
[[nodiscard]] Result<std::string> load_public_key(const std::string& path);
/// Every public key in a *.pub file, or the one in a key file. Fails as load_public_key() does.
[[nodiscard]] Result<std::vector<std::string>> load_public_keys(const std::string& path);

}  // namespace tocsin::mq
