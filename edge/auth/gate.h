#pragma once
// Gate: whether a token lets its holder in, and what it permits there, by the settings auth.*.
//
// Invariant: without a key configured it is open, and asks for nothing; with one, nobody passes without a
// token, and it stays so whatever happens to the files. Thread: the loop.
#include <cstdint>
#include <string>
#include <string_view>

#include "common/auth/keyring.h"
#include "common/auth/token.h"
#include "common/clock.h"
#include "edge/config.h"
#include "edge/metrics.h"

namespace tocsin::edge {

class Gate {
 public:
  Gate(const Config& config, const Clock& clock, Metrics& metrics);

  /// Reads rules and keys. Fails with invalid_argument or io, in a sentence for the operator.
  [[nodiscard]] Status load();
  /// Each tick: keys are read again when their files changed. A spoiled file is logged, and the keys stay.
  void tick();
  [[nodiscard]] bool open() const noexcept { return open_; }
  /// Fails with unauthorized. Not to be asked while open().
  [[nodiscard]] Result<auth::Principal> admit(std::string_view token) const;
  /// Who may do what over HTTP, in one question: unauthorized, forbidden, or nothing to say against it.
  [[nodiscard]] Status permit(std::string_view token, auth::Action action, std::string_view channel) const;
  [[nodiscard]] Error forbidden(auth::Action action, std::string_view channel) const;

 private:
  const Config& config_;
  const Clock& clock_;
  Metrics& metrics_;
  bool open_;
  auth::Rules rules_;
  auth::Keyring keys_;
  Instant look_at_{};
};

}  // namespace tocsin::edge
