#pragma once
// Alarm: calls back once after some microseconds, where a Timer's milliseconds are too coarse. A descriptor
// of its own.
//
// Invariant: after the destructor has begun no callback comes any more. Thread: the loop's.
#include <chrono>

#include "common/loop/handles.h"

namespace tocsin::loop {

class Alarm {
 public:
  /// Throws std::system_error without descriptors.
  Alarm(Loop& loop, Callback on_time);
  ~Alarm();
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

  /// Set again, the old time is forgotten. 0 is taken for 1.
  void set(std::chrono::microseconds delay);

 private:
  int fd_;
  Callback on_time_;
  Poll poll_;
};

}  // namespace tocsin::loop
