#pragma once
// Scaler: brings a StatefulSet to more or fewer replicas by its scale subresource: reads it, and patches only
// what was read, so that a change that somebody else made meanwhile (an autoscaler) is looked at again
// instead of overwritten. Sans-IO, as Reflector. Thread: the supervisor's loop.
#include <cstdint>
#include <optional>
#include <string>

#include "ops/supervisor/k8s/call.h"
#include "ops/supervisor/k8s/retry.h"

namespace tocsin::ops::k8s {

class Scaler {
 public:
  enum class Ask : std::uint8_t { nothing, read, patch };

  /// `path` is that of the StatefulSet; /scale is added.
  Scaler(const std::string& path, Random& random) : path_(path + "/scale"), retry_(random) {}

  /// There are to be so many, or more. The last word counts when one asks for more and another for fewer.
  void at_least(std::uint64_t replicas);
  /// There are to be so many, or fewer.
  void at_most(std::uint64_t replicas);

  [[nodiscard]] Ask tick(Instant now);
  [[nodiscard]] Call call() const;  ///< of what tick() asked for
  void read_done(Instant now, const Answer& answer);
  void patched(Instant now, const Answer& answer);

  [[nodiscard]] bool idle() const noexcept { return !goal_ && !asking_; }
  [[nodiscard]] std::uint64_t conflicts_seen() const noexcept { return conflicts_; }
  /// Why it is not done yet; empty: it is, or nothing stands in the way.
  [[nodiscard]] const std::string& trouble() const noexcept { return trouble_; }

 private:
  struct Goal {
    bool more;
    std::uint64_t replicas;
  };
  [[nodiscard]] bool met() const;

  std::string path_;
  Retry retry_;
  std::optional<Goal> goal_;
  bool asking_ = false;
  std::optional<std::uint64_t> now_;  ///< replicas as last read, until they are patched
  std::uint64_t to_ = 0;              ///< what the patch under way says
  std::string version_;
  std::uint64_t conflicts_ = 0;
  std::string trouble_;
};

}  // namespace tocsin::ops::k8s
