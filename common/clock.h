#pragma once
// Clock: the time as the state machines see it. Real processes use the loop's clock, the simulation a virtual
// one. steady() decides time-outs; wall() is only ever shown to people or written beside data: it decides
// nothing.
#include <chrono>
#include <cstdint>

namespace tocsin {

using Millis = std::chrono::milliseconds;
/// Milliseconds of a monotonic clock with an arbitrary zero.
using Instant = std::chrono::time_point<std::chrono::steady_clock, Millis>;

class Clock {
 public:
  virtual ~Clock() = default;
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;

  [[nodiscard]] virtual Instant steady() const = 0;
  [[nodiscard]] virtual std::int64_t wall_ms() const = 0;  ///< milliseconds since 1970
  /// The same in microseconds, for what is only measured; a clock that knows no better counts milliseconds.
  [[nodiscard]] virtual std::int64_t steady_us() const { return steady().time_since_epoch().count() * 1'000; }
  [[nodiscard]] virtual std::int64_t wall_us() const { return wall_ms() * 1'000; }

 protected:
  Clock() = default;
};

/// Reads the operating system's clocks on every call. Any thread.
class SystemClock final : public Clock {
 public:
  SystemClock() = default;
  [[nodiscard]] Instant steady() const override {
    return std::chrono::time_point_cast<Millis>(std::chrono::steady_clock::now());
  }
  [[nodiscard]] std::int64_t wall_ms() const override {
    return std::chrono::duration_cast<Millis>(std::chrono::system_clock::now().time_since_epoch()).count();
  }
  [[nodiscard]] std::int64_t steady_us() const override {
    return micros(std::chrono::steady_clock::now().time_since_epoch());
  }
  [[nodiscard]] std::int64_t wall_us() const override {
    return micros(std::chrono::system_clock::now().time_since_epoch());
  }

 private:
  template <typename D>
  static std::int64_t micros(D since) {
    return std::chrono::duration_cast<std::chrono::microseconds>(since).count();
  }
};

}  // namespace tocsin
