#pragma once
// Progress: one line on a terminal that says how far a long command is, redrawn in place; silent elsewhere.
// Notes (errors, a broker that went away) go to stderr and do not tear the line. One thread.
#include <cstdint>
#include <string>

#include "common/clock.h"

namespace tocsin::ops {

struct FeedReport;

class Progress {
 public:
  Progress(std::string what, std::uint64_t total, bool json);
  void show(const FeedReport& report);
  void note(const std::string& sentence);
  void clear();

 private:
  std::string what_;
  std::uint64_t total_;
  bool terminal_;
  bool drawn_ = false;
  SystemClock clock_;
  Instant shown_{};
  std::uint64_t shown_done_ = 0;
  double rate_ = 0;
};

}  // namespace tocsin::ops
