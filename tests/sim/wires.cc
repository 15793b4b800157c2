#include "tests/sim/wires.h"

#include <algorithm>
#include <utility>

namespace tocsin::sim {

void Wires::serve(std::function<void(const std::string&, const std::string&)> received) {
  broker_ = std::move(received);
  for (auto& [peer, line] : lines_) reconnect(peer, static_cast<std::int64_t>(world_.chance.between(1, 200)));
}

void Wires::broker_died() {
  broker_ = nullptr;
  for (auto& [peer, line] : lines_) drop(peer, line, true);
}

void Wires::attach(const std::string& peer, WireEnd end) {
  Line& line = lines_[peer];
  line.end = std::move(end);
  line.attached = true;
  reconnect(peer, static_cast<std::int64_t>(world_.chance.between(1, 20)));
}

void Wires::detach(const std::string& peer) {
  Line& line = lines_[peer];
  drop(peer, line, false);
  line.attached = false;
  line.end = {};
}

void Wires::drop(const std::string& peer, Line& line, bool noticed) {
  if (!std::exchange(line.up, false)) return;
  ++line.generation;
  if (!noticed) return;
  world_.after(static_cast<std::int64_t>(world_.chance.between(0, 5)),
               [this, peer, generation = line.generation] {
                 const Line& now = lines_[peer];
                 if (now.generation == generation && now.attached && !now.up) now.end.disconnected();
               });
}

void Wires::reconnect(const std::string& peer, std::int64_t delay) {
  world_.after(delay, [this, peer] {
    Line& line = lines_[peer];
    if (line.up || !line.attached || !broker_) return;
    if (line.unreachable_until > world_.now())
      return reconnect(peer, line.unreachable_until - world_.now() + 1);
    line.up = true;
    ++line.generation;
    line.last_up = line.last_down = world_.now();
    line.end.connected();
  });
}

bool Wires::send_up(const std::string& peer, std::string bytes) {
  Line& line = lines_[peer];
  if (!line.up || line.clogged_until > world_.now()) return false;
  const std::int64_t at =
      std::max(line.last_up, world_.now() + static_cast<std::int64_t>(world_.chance.between(0, 8)));
  line.last_up = at;
  world_.after(at - world_.now(), [this, peer, generation = line.generation, bytes = std::move(bytes)] {
    if (lines_[peer].generation == generation && broker_) broker_(peer, bytes);
  });
  return true;
}

void Wires::deliver_down(const std::string& peer, Line& line, broker::SharedBytes bytes, std::int64_t delay) {
  world_.after(delay, [this, peer, generation = line.generation, bytes = std::move(bytes)] {
    const Line& now = lines_[peer];
    if (now.generation != generation || !now.attached) return;
    if (!tamper_) return now.end.received(*bytes);
    std::string changed = *bytes;
    if (tamper_(peer, changed)) now.end.received(changed);
  });
}

bool Wires::send(std::string_view name, broker::SharedBytes bytes) {
  const std::string peer(name);
  Line& line = lines_[peer];
  if (!line.up || line.clogged_until > world_.now()) return false;
  auto delay = static_cast<std::int64_t>(world_.chance.between(0, 8));
  if (unruly_ && world_.chance.percent(5)) {
    if (world_.chance.percent(30)) return true;  // lost
    if (world_.chance.percent(40))
      deliver_down(peer, line, bytes,
                   delay + static_cast<std::int64_t>(world_.chance.between(0, 60)));  // twice
    deliver_down(peer, line, std::move(bytes),
                 delay + static_cast<std::int64_t>(world_.chance.between(0, 60)));  // out of order
    return true;
  }
  line.last_down = std::max(line.last_down, world_.now() + delay);
  deliver_down(peer, line, std::move(bytes), line.last_down - world_.now());
  return true;
}

void Wires::cut(const std::string& peer) {
  Line& line = lines_[peer];
  drop(peer, line, true);
  reconnect(peer, static_cast<std::int64_t>(world_.chance.between(6, 400)));
}

void Wires::partition(const std::string& peer, std::int64_t ms) {
  Line& line = lines_[peer];
  line.unreachable_until = world_.now() + ms;
  drop(peer, line, world_.chance.percent(50));
  reconnect(peer, ms + 1);
}

void Wires::clog(const std::string& peer, std::int64_t ms) { lines_[peer].clogged_until = world_.now() + ms; }

void Wires::heal() {
  unruly_ = false;
  for (auto& [peer, line] : lines_) {
    line.unreachable_until = 0;
    line.clogged_until = 0;
    if (!line.up) reconnect(peer, 10);
  }
}

}  // namespace tocsin::sim
