#pragma once
// Lease: which of several supervisors is in charge: the one that holds a coordination.k8s.io/v1 Lease and
// renews it. Sans-IO: the owner asks tick() what to send and hands the answers in.
//
// Another's lease is taken when nothing about it has changed for its duration by this host's clock: the times
// written in it are never compared with ours. A holder that could not renew for two thirds of the duration
// counts itself out, before anybody else may take over.
//
// Invariant: mine() is true in at most one process, as long as clocks run at the same speed within a third.
// Thread: the supervisor's loop.
#include <string>

#include "ops/supervisor/k8s/call.h"

namespace tocsin::ops::k8s {

class Lease {
 public:
  struct Settings {
    std::string path;  ///< of the object
    std::string identity;
    std::string admin_url;  ///< written into it: where the others send people
    Millis duration{15'000};
  };
  enum class Ask : std::uint8_t { nothing, read, write };

  explicit Lease(Settings settings) : settings_(std::move(settings)) {}

  [[nodiscard]] Ask tick(Instant now);
  /// What write means now; a merge patch with the version it rests on. Remembers `now` as the time of
  /// renewal, should it succeed.
  [[nodiscard]] Call write_call(Instant now, std::int64_t wall_ms);
  [[nodiscard]] Call read_call() const { return {"GET", settings_.path, {}}; }
  /// Gives it up, so that another need not wait; only while mine().
  [[nodiscard]] Call release_call(std::int64_t wall_ms) const;

  void read_done(Instant now, const Answer& answer);
  void write_done(Instant now, const Answer& answer);

  [[nodiscard]] bool mine(Instant now) const { return held_ && now - renewed_ < grace(); }
  /// It was mine once and is not any more: whoever acted as the one in charge has to stop.
  [[nodiscard]] bool lost(Instant now) const { return ever_held_ && !mine(now); }
  [[nodiscard]] const std::string& holder() const noexcept { return holder_; }
  [[nodiscard]] const std::string& holder_url() const noexcept { return holder_url_; }
  [[nodiscard]] const std::string& trouble() const noexcept { return trouble_; }

 private:
  [[nodiscard]] Millis grace() const { return settings_.duration * 2 / 3; }
  [[nodiscard]] Millis pause() const { return settings_.duration / 8; }
  [[nodiscard]] bool may_take(Instant now) const;
  [[nodiscard]] std::string body(const std::string& holder, std::int64_t wall_ms) const;
  void observe(Instant now, const std::string& text);

  Settings settings_;
  bool asking_ = false;
  bool known_ = false;
  bool held_ = false;
  bool ever_held_ = false;
  Instant next_{};
  Instant renewed_{};  ///< when the last renewal that succeeded was sent
  Instant sending_{};
  Instant observed_{};  ///< since when nothing has changed
  std::string version_;
  std::string holder_, holder_url_, renew_time_;
  std::uint64_t transitions_ = 0;
  Millis holder_duration_{0};
  std::string trouble_;
};

/// 2026-11-21T14:28:51.123000Z: what the API server takes as a MicroTime, six digits and no fewer.
[[nodiscard]] std::string micro_time(std::int64_t wall_ms);

}  // namespace tocsin::ops::k8s
