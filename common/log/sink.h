#pragma once
// Sink: where lines end. Thread: the writer's (before log::configure whoever writes); never a loop's.
#include <cstdint>
#include <string>
#include <string_view>

namespace tocsin::log {

class Sink {
 public:
  virtual ~Sink() = default;
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  /// Whole lines, each with its newline. Returns how many of their bytes it did not take.
  virtual std::size_t write(std::string_view lines) = 0;
  /// The file may have been renamed or removed by others.
  virtual void reopen() {}

 protected:
  Sink() = default;
};

/// Standard error. What it does not take is lost.
class StderrSink final : public Sink {
 public:
  std::size_t write(std::string_view lines) override;
};

}  // namespace tocsin::log
