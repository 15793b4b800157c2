#pragma once
// AlertBook: which alerts are on, and who still has to be told. Told once when one begins, again after
// `repeat` while it lasts, once when it is over; what was over before anybody was told is never mentioned.
//
//   quiet --over the threshold--> pending --for `hold`--> firing --told--> firing, known
//     ^------------ below it ---------'                      below it for `resolve` --told--> quiet
//
// Invariant: one alert per rule and subject; one notice is out at a time, and one that could not be delivered
// is offered again, later and later, as things are by then. No clock, no network. Thread: the caller's.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/result.h"

namespace tocsin::ops {

/// What one kind of alert is about. Constants.
struct AlertRule {
  std::string_view type;
  bool below = false;           ///< fires at or below the threshold, else at or above it
  Millis hold{0};               ///< that it must last
  bool in_maintenance = false;  ///< fires in maintenance too
  std::string_view severity;
  std::string_view message;  ///< {subject}, {value} and {threshold} are filled in
  std::string_view runbook;  ///< page in ops/runbook/alerts; empty: none
};

struct Notice {
  std::string key;  ///< type/subject
  bool firing = true;
  const AlertRule* rule = nullptr;
  std::string subject;
  double value = 0;
  double threshold = 0;
  std::int64_t since_ms = 0;  ///< wall clock

  [[nodiscard]] std::string message() const;
};

class AlertBook {
 public:
  struct Options {
    Millis resolve{30'000};
    Millis repeat{14'400'000};  ///< 0: never
  };
  explicit AlertBook(Options options) : options_(options) {}

  /// One look: begin, see() for each subject of each rule that is on, end. Who is not seen is over.
  void begin_look(Instant now, std::int64_t wall_ms);
  void see(const AlertRule& rule, const std::string& subject, double value, double threshold);
  void end_look(bool maintenance);

  /// What somebody has to be told now. The same again until delivered() is called.
  [[nodiscard]] std::optional<Notice> next(Instant now) const;
  void delivered(Instant now, const Notice& notice, bool taken);

  [[nodiscard]] std::size_t firing() const noexcept;

  /// The alerts that others know of, for the next supervisor; and back. `rules` by type; what is not
  /// understood is left out. Their repetition is counted from `now`.
  [[nodiscard]] std::string to_json() const;
  void load(Instant now, std::string_view json, const std::map<std::string, const AlertRule*>& rules);
  /// Counts changes of what to_json() says.
  [[nodiscard]] std::uint64_t version() const noexcept { return version_; }

 private:
  struct Alert {
    const AlertRule* rule = nullptr;
    std::string subject;
    double value = 0, threshold = 0;
    std::int64_t since_ms = 0;
    std::optional<Instant> over;   ///< since when it is over its threshold
    std::optional<Instant> under;  ///< since when it is not, while firing
    bool firing = false;
    bool known = false;  ///< somebody was told that it fires
    Instant told{};
    bool seen = false;
  };
  [[nodiscard]] bool due(const Alert& alert, Instant now) const;

  Options options_;
  Instant now_{};
  std::int64_t wall_ms_ = 0;
  bool maintenance_ = false;
  std::map<std::string, Alert> alerts_;
  Instant retry_at_{};
  Millis retry_{0};
  std::uint64_t version_ = 0;
};

}  // namespace tocsin::ops
