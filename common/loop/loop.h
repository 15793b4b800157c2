#pragma once
// Loop: one libuv event loop, and with it the one thread on which everything attached to it runs.
//
// Invariant: whatever was made on a Loop (Timer, Async, Poll, ...) is destroyed before it. A handle's memory
// lives until libuv's close callback; the destructor of Loop turns the loop until the last of these has come.
// Thread: the one that calls run(); only Async::send() may be called from another.
#include <memory>

struct uv_loop_s;

namespace tocsin::loop {

class Loop {
 public:
  /// Throws std::system_error if the system has no descriptors or memory left (at start-up only, like every
  /// constructor of this layer).
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// Runs until stop(), or until nothing is left that could happen. May be called again.
  void run();
  /// Lets run() return at the end of this turn. Called before run(), it makes run() return after one turn.
  void stop();
  /// One turn: waits for an event if nothing is ready. For tests and for short waits at start-up.
  void run_once();
  /// One turn without waiting. Returns whether something is left that could happen.
  bool run_ready();

  [[nodiscard]] uv_loop_s* native() noexcept { return uv_.get(); }

 private:
  struct Close {
    void operator()(uv_loop_s* loop) const;
  };
  std::unique_ptr<uv_loop_s, Close> uv_;
};

}  // namespace tocsin::loop
