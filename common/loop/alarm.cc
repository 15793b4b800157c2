#include "common/loop/alarm.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace tocsin::loop {
namespace {

int open_timer() {
  const int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "timerfd_create");
  return fd;
}

}  // namespace

Alarm::Alarm(Loop& loop, Callback on_time)
    : fd_(open_timer()), on_time_(std::move(on_time)), poll_(loop, fd_, [this](Events) {
        std::uint64_t times = 0;
        if (read(fd_, &times, sizeof times) == sizeof times) on_time_();
      }) {
  poll_.watch({.readable = true});
}

Alarm::~Alarm() {
  poll_.stop();
  close(fd_);
}

void Alarm::set(std::chrono::microseconds delay) {
  const auto us = std::max<std::int64_t>(1, delay.count());
  itimerspec when{};
  when.it_value.tv_sec = us / 1'000'000;
  when.it_value.tv_nsec = us % 1'000'000 * 1'000;
  timerfd_settime(fd_, 0, &when, nullptr);
}

}  // namespace tocsin::loop
