#pragma once
// AllowList: who may connect, by CURVE key: a folder of *.pub files, each named after the holder of the keys
// in it. The folder is read again for a key that is not known, when what is known is older than a second at a
// handshake, and when refresh() finds it changed: keys come and go without a restart.
//
// Invariant: a key has one holder; a holder may have several keys, while one replaces another. Thread: the
// loop's; files are read at once.
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/result.h"

namespace tocsin::mq {

class AllowList {
 public:
  /// `clock` outlives the list. Fails with io when the folder cannot be read, invalid_argument naming a file
  /// that is no key or repeats another's.
  [[nodiscard]] static Result<AllowList> open(std::string folder, const Clock& clock);

  /// Whose key (Z85) this is; nothing when it may not connect. A file that has become unreadable is passed
  /// over and logged.
  [[nodiscard]] std::optional<std::string> holder(std::string_view key);
  /// Reads the folder again when a file came, went or was replaced since, and now and then in any case. A
  /// folder that cannot be read changes nothing: nobody is thrown out for a disk that is away.
  void refresh();
  /// As of the last reading.
  [[nodiscard]] bool allows(std::string_view key) const { return holders_.find(key) != holders_.end(); }

 private:
  AllowList(std::string folder, const Clock& clock) : folder_(std::move(folder)), clock_(&clock) {}
  /// Takes what can be read; the first error when not all could.
  [[nodiscard]] Status read();
  void read_and_tell();

  std::string folder_;
  const Clock* clock_;
  Instant read_at_{};
  std::filesystem::file_time_type changed_at_{};
  std::map<std::string, std::string, std::less<>> holders_;  // by key
};

}  // namespace tocsin::mq
