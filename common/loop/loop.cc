#include "common/loop/loop.h"

#include <uv.h>

#include <cassert>
#include <system_error>

namespace tocsin::loop {

Loop::Loop() {
  auto uv = std::make_unique<uv_loop_t>();
  if (const int rc = uv_loop_init(uv.get()); rc != 0)
    throw std::system_error(-rc, std::generic_category(), "uv_loop_init");
  uv_.reset(uv.release());
}

Loop::~Loop() = default;

void Loop::run() { uv_run(uv_.get(), UV_RUN_DEFAULT); }
void Loop::stop() { uv_stop(uv_.get()); }
void Loop::run_once() { uv_run(uv_.get(), UV_RUN_ONCE); }
bool Loop::run_ready() { return uv_run(uv_.get(), UV_RUN_NOWAIT) != 0; }

void Loop::Close::operator()(uv_loop_s* loop) const {
  // Closing handles are called back within one turn each, so this ends, unless an owner has outlived its
  // loop.
  while (uv_loop_close(loop) == UV_EBUSY) {
    uv_walk(
        loop,
        []([[maybe_unused]] uv_handle_t* handle, void*) {
          assert(uv_is_closing(handle) && "a handle outlives its loop");
        },
        nullptr);
    uv_run(loop, UV_RUN_NOWAIT);
  }
  delete loop;
}

}  // namespace tocsin::loop
