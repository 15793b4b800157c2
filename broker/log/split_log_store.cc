#include "broker/log/split_log_store.h"

#include <algorithm>
#include <iterator>

namespace tocsin::broker {
namespace {

/// Moves the elements that `chosen` picks from the end of `from` into `to`; both keep their order.
template <typename T, typename F>
void move_if(std::vector<T>& from, std::vector<T>& to, F chosen) {
  const auto rest = std::stable_partition(from.begin(), from.end(), [&](const T& t) { return !chosen(t); });
  to.assign(std::make_move_iterator(rest), std::make_move_iterator(from.end()));
  from.erase(rest, from.end());
}

Batch take_volatile(Batch& batch) {
  Batch out;
  const bool any = std::any_of(batch.channels.begin(), batch.channels.end(),
                               [](const auto& c) { return is_volatile(c.id); });
  if (!any) return out;  // every channel a batch touches has its meta in it
  move_if(batch.channels, out.channels, [](const auto& c) { return is_volatile(c.id); });
  move_if(batch.appends, out.appends, [](const auto& a) { return is_volatile(a.channel); });
  move_if(batch.incidents, out.incidents, [](const auto& i) { return is_volatile(i.first); });
  return out;
}

}  // namespace

void SplitLogStore::commit(Batch batch, CommitDone done) {
  Batch volatile_part = take_volatile(batch);
  if (volatile_part.empty()) return disk_.commit(std::move(batch), std::move(done));
  if (batch.empty()) return memory_.commit(std::move(volatile_part), std::move(done));
  auto rest = std::make_shared<Batch>(std::move(volatile_part));  // CommitDone must be copyable
  disk_.commit(std::move(batch), [this, rest, done = std::move(done)](Status status) {
    if (!status) return done(std::move(status));
    memory_.commit(std::move(*rest), done);
  });
}

void SplitLogStore::poll() {
  disk_.poll();
  memory_.poll();
}

void SplitLogStore::on_wake(std::function<void()> wake) {
  disk_.on_wake(wake);
  memory_.on_wake(std::move(wake));
}

Result<std::vector<ChannelMeta>> SplitLogStore::channels() const {
  auto out = disk_.channels();
  if (!out) return out;
  auto more = memory_.channels();
  if (!more) return more;
  out->insert(out->end(), std::make_move_iterator(more->begin()), std::make_move_iterator(more->end()));
  return out;
}

}  // namespace tocsin::broker
