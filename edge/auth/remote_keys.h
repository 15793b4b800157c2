#pragma once
// RemoteKeys: when the JWK set behind auth.jwks_url is fetched, and which of its keys are honoured.
//
//   fetched at start, every auth.jwks_refresh_ms, and when a token names a key that is not known - but never
//   sooner than auth.jwks_floor_ms after the last time; after a failure again, with growing pauses.
//
// Invariant: a failed or spoiled fetch takes no key away; a key that is no longer listed is honoured for
// auth.jwks_keep_ms; a secret (HS256) that comes by URL never is. Sans-IO: whoever owns it fetches.
// Thread: the loop.
#include <string>
#include <string_view>
#include <vector>

#include "common/auth/jwks.h"
#include "common/clock.h"
#include "common/result.h"

namespace tocsin::edge {

class RemoteKeys {
 public:
  struct Times {
    Millis refresh{300'000};
    Millis floor{10'000};
    Millis keep{600'000};
  };
  RemoteKeys(Times times, const Clock& clock) : times_(times), clock_(clock) {}

  /// True when a fetch is due now; it counts as begun, and fetched() follows.
  [[nodiscard]] bool begin();
  /// The set's text, or why there is none. True: the keys are others than before.
  bool fetched(const Result<std::string>& text);
  /// A token names a key that is not known.
  void miss();
  /// Each tick. True: a key that was kept has ended.
  bool tick();

  [[nodiscard]] std::vector<auth::VerifyingKey> keys() const;
  /// The set was fetched once.
  [[nodiscard]] bool known() const noexcept { return known_; }

 private:
  struct Kept {
    auth::VerifyingKey key;
    Instant until{};  ///< of one that is not listed any more
    bool listed = true;
  };
  void failed(std::string_view why);

  const Times times_;
  const Clock& clock_;
  std::vector<Kept> keys_;
  bool known_ = false;
  bool under_way_ = false;
  bool failing_ = false;
  Instant begun_{};
  Instant due_{};  ///< zero: at once
  Millis pause_{};
};

}  // namespace tocsin::edge
