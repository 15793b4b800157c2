#pragma once
// Gate: whether a token lets its holder in, and what it permits there, by the settings auth.*.
//
// Invariant: without a key configured it is open, and asks for nothing; with one, nobody passes without a
// token, and it stays so whatever happens to the files and the URL. Thread: the loop.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/auth/keyring.h"
#include "common/auth/token.h"
#include "common/clock.h"
#include "edge/auth/remote_keys.h"
#include "edge/auth/revoked.h"
#include "edge/config.h"
#include "edge/metrics.h"

namespace tocsin::edge {

class Gate {
 public:
  /// Who showed a token; null: nobody, where none is asked for. The same token gives the same holder.
  using Holder = std::shared_ptr<const auth::Principal>;
  /// Fetches auth.jwks_url and tells its text, on a later turn.
  using Fetch = std::function<void(std::function<void(Result<std::string>)>)>;

  Gate(const Config& config, const Clock& clock, Metrics& metrics);

  /// Reads rules and keys. Fails with invalid_argument or io, in a sentence for the operator.
  [[nodiscard]] Status load();
  /// Settings that are about to change: rules and files are made ready. Fails as load() does, and when tokens
  /// would be asked for from now on, or no more: that takes a restart.
  [[nodiscard]] Status check(const Config& next);
  /// They have changed. Who is in stays until its token ends; true when again() has to be asked what it may.
  bool apply();
  /// The holder of a token that was let in, by the rules of now. Fails with unauthorized.
  [[nodiscard]] Result<Holder> again(const auth::Principal& principal) const;
  /// How keys come by URL. The gate outlives what it asks for.
  void fetch_by(Fetch fetch) { fetch_ = std::move(fetch); }
  /// Each tick: keys are read again when their files changed or the URL is due. What is spoiled is logged,
  /// and the keys stay.
  void tick();
  [[nodiscard]] bool open() const noexcept { return open_; }
  /// Fails with unauthorized; with unavailable while no key is known at all. Not to be asked while open().
  [[nodiscard]] Result<Holder> admit(std::string_view token) const;
  /// Who may do what over HTTP, in one question: unauthorized, forbidden, or nothing to say against it. Null
  /// while open().
  [[nodiscard]] Result<Holder> permit(std::string_view token, auth::Action action,
                                      std::string_view channel) const;
  [[nodiscard]] Error forbidden(auth::Action action, std::string_view channel) const;
  /// Fails with unauthorized once the token has expired or was revoked.
  [[nodiscard]] Status still_good(const auth::Principal& principal) const;

  /// True when something is new: who is in may have to leave.
  bool revoked(const std::vector<link::Revocation>& revocations);
  [[nodiscard]] std::vector<link::Revocation> revocations() const { return revoked_.all(); }

 private:
  struct Prepared {
    auth::Rules rules;
    auth::Keyring files;
    std::string rights;  ///< the settings by which a token says what its holder may
  };
  [[nodiscard]] static Result<Prepared> prepare(const Config& config);
  [[nodiscard]] Result<Holder> verified(std::string_view token) const;
  void look_at_files();
  void look_at_url();
  void collect();

  const Config& config_;
  const Clock& clock_;
  Metrics& metrics_;
  bool open_;
  auth::Rules rules_;
  std::string rights_;
  auth::Keyring files_;
  mutable std::optional<RemoteKeys> remote_;  ///< a token may want it fetched
  std::vector<auth::VerifyingKey> keys_;      ///< of all sources
  /// Tokens that are good by these keys and rules: pollers and reconnecting clients cost no signature.
  mutable std::unordered_map<std::string, Holder> seen_;
  Revoked revoked_;
  Fetch fetch_;
  std::optional<Prepared> prepared_;  ///< between check() and apply()
  Instant look_at_{};
};

}  // namespace tocsin::edge
