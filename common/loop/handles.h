#pragma once
// The handles of a Loop as values: what they hold is released by their destructor in the two steps that libuv
// asks for (uv_close now, memory in the close callback).
//
// Invariant: after a destructor has begun no callback comes any more. A callback may destroy, restart or stop
// its own handle, or any other. Moving a handle keeps it running. Thread: the loop's, except Async::send().
#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <vector>

#include "common/loop/loop.h"

namespace tocsin::loop {

using Callback = std::function<void()>;

/// The memory behind a handle, and what to do with it instead of freeing it at once.
template <typename Block>
using Handle = std::unique_ptr<Block, void (*)(Block*)>;

/// Calls back after a delay, then again every `repeat` if that is not zero.
class Timer {
 public:
  explicit Timer(Loop& loop);
  /// A running timer is restarted with the new times and callback.
  void start(std::chrono::milliseconds delay, std::chrono::milliseconds repeat, Callback on_time);
  /// Once.
  void start(std::chrono::milliseconds delay, Callback on_time) { start(delay, {}, std::move(on_time)); }
  void stop();
  [[nodiscard]] bool running() const;

 private:
  struct Block;
  Handle<Block> block_;
};

/// Wakes the loop from any thread. Several send() may be answered by one callback. Threads that send must
/// have been joined before the Async is destroyed.
class Async {
 public:
  Async(Loop& loop, Callback on_wake);
  void send() noexcept;

 private:
  struct Block;
  Handle<Block> block_;
};

/// Called at the end of every turn of the loop, after its timers and its input. After request() the loop
/// makes one more turn without waiting: a change made at any moment is seen by the hook before the loop
/// sleeps. A hook alone does not keep the loop running.
class TurnHook {
 public:
  TurnHook(Loop& loop, Callback on_turn_end);
  void request() noexcept;

 private:
  struct Check;
  struct Idle;
  Handle<Idle> idle_;
  Handle<Check> check_;
};

/// What may be waited for, and what happened, on a descriptor. `error` is only ever reported: the descriptor
/// is useless then (closed peer, or a libuv failure), watching has been stopped.
struct Events {
  bool readable = false;
  bool writable = false;
  bool error = false;
};

/// Watches a descriptor that others own. Destroy (or stop) the Poll before the descriptor is closed.
class Poll {
 public:
  /// Throws std::system_error if `fd` cannot be watched (a plain file, closed).
  Poll(Loop& loop, int fd, std::function<void(Events)> on_event);
  /// Replaces what is waited for; level-triggered.
  void watch(Events wanted);
  void stop();

 private:
  struct Block;
  Handle<Block> block_;
};

/// Calls back with the number of each signal that arrives. A Signals does not keep the loop running.
class Signals {
 public:
  Signals(Loop& loop, std::initializer_list<int> numbers, const std::function<void(int)>& on_signal);

 private:
  struct Block;
  std::vector<Handle<Block>> blocks_;
};

}  // namespace tocsin::loop
