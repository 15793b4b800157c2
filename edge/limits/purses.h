#pragma once
// Purses: what clients, their subjects and their tenants may send in a second: messages, publishes and bytes.
// Something may be sent when all of them have room for it, and is then taken from all.
//
// Invariant: the purse of a subject or tenant is kept while somebody uses it, and until it is full again; of
// those that nobody uses at most limits.sources_max are kept. Thread: the loop.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "common/clock.h"
#include "common/token_bucket.h"
#include "edge/config.h"
#include "edge/limits/limit.h"

namespace tocsin::edge {

/// What one sends.
struct Load {
  double messages = 0;
  double publishes = 0;
  double bytes = 0;
};

struct Purse {
  TokenBucket messages;
  TokenBucket publishes;
  TokenBucket bytes;
};

class Purses {
 public:
  enum class Scope : std::uint8_t { client, subject, tenant };
  /// A purse that several share.
  struct Shared {
    Purse purse;
    Scope scope{};
    std::string name;
    std::uint32_t users = 0;
    std::uint32_t sessions = 0;  ///< counted ones, of a subject
  };
  /// Out of whose purses something is sent; null: there is none.
  struct Payers {
    Purse* client = nullptr;
    Shared* subject = nullptr;
    Shared* tenant = nullptr;
  };

  Purses(const Config& config, const Clock& clock) : config_(config), clock_(clock) { configure(); }

  /// Reads the settings again.
  void configure();
  /// Some rate is limited.
  [[nodiscard]] bool on() const noexcept { return on_; }
  /// Kept until as many put_down(). Null for an empty name.
  Shared* pick_up(Scope scope, std::string_view name);
  void put_down(Shared* shared);
  /// Takes the load from all payers, or says which limit forbids it and takes nothing.
  std::optional<Over> spend(const Payers& payers, const Load& load);
  /// Now and then: forgets purses that are full and unused.
  void tick();
  [[nodiscard]] std::size_t size() const noexcept { return shared_.size(); }

 private:
  struct Rates {
    Allowance messages, publishes, bytes;
  };
  [[nodiscard]] Rates rates(std::int64_t messages, std::int64_t publishes, std::int64_t bytes) const;
  std::optional<Over> short_of(Purse& purse, Scope scope, const Load& load);
  void take(Purse& purse, Scope scope, const Load& load);
  [[nodiscard]] bool at_rest(Shared& shared);

  const Config& config_;
  const Clock& clock_;
  bool on_ = false;
  Rates rates_[3];
  Instant sweep_at_{};
  std::size_t unused_ = 0;
  std::unordered_map<std::string, Shared> shared_;
};

}  // namespace tocsin::edge
