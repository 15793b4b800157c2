#include "common/loop/handles.h"

#include <uv.h>

#include <system_error>
#include <utility>

namespace tocsin::loop {
namespace {

void check(int rc, const char* what) {
  if (rc != 0) throw std::system_error(-rc, std::generic_category(), what);
}

template <typename Uv>
uv_handle_t* base(Uv* uv) {
  return reinterpret_cast<uv_handle_t*>(uv);
}

/// Until the close callback the block, and with it a callback that is just running, stays in memory.
template <typename Block>
void close_then_free(Block* block) {
  uv_close(base(&block->uv), [](uv_handle_t* uv) { delete static_cast<Block*>(uv->data); });
}

/// A block whose uv handle knows it. libuv keeps no trace of a handle whose initialisation failed.
template <typename Block, typename Init>
Handle<Block> open(const char* what, Init init) {
  auto block = std::make_unique<Block>();
  check(init(&block->uv), what);
  block->uv.data = block.get();
  return {block.release(), &close_then_free<Block>};
}

}  // namespace

struct Timer::Block {
  uv_timer_t uv{};
  Callback on_time;

  static void on_uv(uv_timer_t* uv) {
    auto* block = static_cast<Block*>(uv->data);
    // Taken out while it runs: the callback may give this timer another one.
    Callback running = std::exchange(block->on_time, nullptr);
    running();
    if (!block->on_time) block->on_time = std::move(running);
  }
};

Timer::Timer(Loop& loop)
    : block_(open<Block>("uv_timer_init", [&](auto* uv) { return uv_timer_init(loop.native(), uv); })) {}

void Timer::start(std::chrono::milliseconds delay, std::chrono::milliseconds repeat, Callback on_time) {
  block_->on_time = std::move(on_time);
  // libuv counts from the start of the turn; after a long turn the timer would fire early.
  uv_update_time(block_->uv.loop);
  uv_timer_start(&block_->uv, &Block::on_uv, static_cast<std::uint64_t>(delay.count()),
                 static_cast<std::uint64_t>(repeat.count()));
}

void Timer::stop() { uv_timer_stop(&block_->uv); }
bool Timer::running() const { return uv_is_active(base(&block_->uv)) != 0; }

struct Async::Block {
  uv_async_t uv{};
  Callback on_wake;
};

Async::Async(Loop& loop, Callback on_wake)
    : block_(open<Block>("uv_async_init", [&](auto* uv) {
        return uv_async_init(loop.native(), uv,
                             [](uv_async_t* h) { static_cast<Block*>(h->data)->on_wake(); });
      })) {
  block_->on_wake = std::move(on_wake);
}

void Async::send() noexcept { uv_async_send(&block_->uv); }

struct TurnHook::Check {
  uv_check_t uv{};
  Idle* idle = nullptr;
  Callback on_turn_end;

  static void on_uv(uv_check_t* uv);
};

/// While it is active the loop does not wait.
struct TurnHook::Idle {
  uv_idle_t uv{};
};

void TurnHook::Check::on_uv(uv_check_t* uv) {
  auto* check = static_cast<Check*>(uv->data);
  uv_idle_stop(&check->idle->uv);  // before the callback, which may ask for one more turn
  check->on_turn_end();
}

TurnHook::TurnHook(Loop& loop, Callback on_turn_end)
    : idle_(open<Idle>("uv_idle_init", [&](auto* uv) { return uv_idle_init(loop.native(), uv); })),
      check_(open<Check>("uv_check_init", [&](auto* uv) { return uv_check_init(loop.native(), uv); })) {
  check_->idle = idle_.get();
  check_->on_turn_end = std::move(on_turn_end);
  uv_check_start(&check_->uv, &Check::on_uv);
  uv_unref(base(&check_->uv));
}

void TurnHook::request() noexcept {
  uv_idle_start(&idle_->uv, [](uv_idle_t*) {});
}

struct Poll::Block {
  uv_poll_t uv{};
  std::function<void(Events)> on_event;

  static void on_uv(uv_poll_t* uv, int status, int events) {
    const Events happened{.readable = (events & UV_READABLE) != 0,
                          .writable = (events & UV_WRITABLE) != 0,
                          .error = status < 0};
    if (happened.error) uv_poll_stop(uv);
    static_cast<Block*>(uv->data)->on_event(happened);
  }
};

Poll::Poll(Loop& loop, int fd, std::function<void(Events)> on_event)
    : block_(open<Block>("uv_poll_init", [&](auto* uv) { return uv_poll_init(loop.native(), uv, fd); })) {
  block_->on_event = std::move(on_event);
}

void Poll::watch(Events wanted) {
  const int mask = (wanted.readable ? UV_READABLE : 0) | (wanted.writable ? UV_WRITABLE : 0);
  if (mask == 0) return stop();
  uv_poll_start(&block_->uv, mask, &Block::on_uv);
}

void Poll::stop() { uv_poll_stop(&block_->uv); }

struct Signals::Block {
  uv_signal_t uv{};
  std::function<void(int)> on_signal;
};

Signals::Signals(Loop& loop, std::initializer_list<int> numbers, const std::function<void(int)>& on_signal) {
  for (const int number : numbers) {
    auto block = open<Block>("uv_signal_init", [&](auto* uv) { return uv_signal_init(loop.native(), uv); });
    block->on_signal = on_signal;
    check(
        uv_signal_start(
            &block->uv, [](uv_signal_t* uv, int n) { static_cast<Block*>(uv->data)->on_signal(n); }, number),
        "uv_signal_start");
    uv_unref(base(&block->uv));
    blocks_.push_back(std::move(block));
  }
}

}  // namespace tocsin::loop
