#include "edge/link/feeds.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "common/log/log.h"

namespace tocsin::edge {
namespace {

/// An Interest without an answer is said again after this long.
constexpr Millis kAskAgain{1'000};
/// Heartbeats name every channel of interest; one that is missing for this long was forgotten by the broker.
constexpr Millis kHeadMissing{5'000};
/// Pause after a read that failed or brought nothing.
constexpr Millis kReadPause{200};
/// Offsets beyond are nonsense from a broken peer; refused so that arithmetic stays safe.
constexpr Offset kMaxOffset = std::numeric_limits<Offset>::max() / 2;

}  // namespace

Feeds::Feeds(const Config& config, const Clock& clock, LinkWire& wire, Requests& requests, Metrics& metrics)
    : config_(config), clock_(clock), wire_(wire), requests_(requests), metrics_(metrics) {}

void Feeds::want(const std::string& name) {
  const auto [it, fresh] = channels_.try_emplace(name);
  if (!fresh) return;
  it->second.life = ++lives_;
  metrics_.link_channels.set(static_cast<std::int64_t>(channels_.size()));
  ask(name, it->second);
}

void Feeds::unwant(const std::string& name) {
  const auto it = channels_.find(name);
  if (it == channels_.end()) return;
  forget_below(it->second, kMaxOffset);
  channels_.erase(it);
  metrics_.link_channels.set(static_cast<std::int64_t>(channels_.size()));
  if (online_) wire_.send(link::encode(link::Interest{name, false}));
}

void Feeds::online() {
  online_ = true;
  for (auto& [name, channel] : channels_) channel.asked = false;
  for (auto& [name, channel] : channels_) ask(name, channel);
}

void Feeds::ask(const std::string& name, Channel& channel) {
  if (!online_) return;
  channel.heard_at = clock_.steady();
  channel.asked = wire_.send(link::encode(link::Interest{name, true}));
}

void Feeds::on_head(const link::Head& head) {
  const auto it = channels_.find(head.channel);
  if (it == channels_.end() || head.epoch == Epoch{} || head.last > kMaxOffset) return;
  Channel& channel = it->second;
  channel.heard_at = clock_.steady();
  if (!channel.attached) {
    const bool lost = std::exchange(channel.was_lost, false);
    return attach(head.channel, head, !lost ? "" : head.epoch == channel.epoch ? "too_old" : "epoch_changed");
  }
  if (head.epoch != channel.epoch)
    channel.suspect = true;
  else
    channel.known = std::max(channel.known, head.last);
  repair(head.channel, channel);
}

void Feeds::on_updates(link::Updates updates) {
  const auto it = channels_.find(updates.channel);
  if (it == channels_.end()) {
    // The broker did not hear that we lost interest. Said once a second at most: what is under way goes on
    // arriving.
    const Instant now = clock_.steady();
    if (online_ && now - stray_said_at_ >= kAskAgain) {
      stray_said_at_ = now;
      wire_.send(link::encode(link::Interest{updates.channel, false}));
    }
    return;
  }
  Channel& channel = it->second;
  if (!channel.attached || updates.records.empty())
    return;  // before the head is known: the head tells of them
  if (updates.epoch != channel.epoch) {
    channel.suspect = true;
    return repair(updates.channel, channel);
  }
  take(updates.channel, std::move(updates.records));
}

/// Records of the channel's epoch, from the wire or from the log.
void Feeds::take(const std::string& name, std::vector<Record> records) {
  Channel& channel = channels_.find(name)->second;
  const std::uint64_t life = channel.life;
  const auto in_order = [&channel](const std::vector<Record>& all) {
    for (std::size_t i = 0; i < all.size(); ++i)
      if (all[i].offset != channel.next + i) return false;
    return true;
  };
  if (channel.waiting.empty() && in_order(records)) return deliver(name, life, std::move(records));

  std::vector<Record> run;
  for (Record& record : records) {
    if (record.offset > kMaxOffset) continue;
    const Offset expected = channel.next + run.size();
    channel.known = std::max(channel.known, record.offset);
    if (record.offset == expected)
      run.push_back(std::move(record));
    else if (record.offset > expected)
      keep_behind_gap(channel, std::move(record));
    else
      metrics_.link_duplicates.add();
  }
  deliver(name, life, std::move(run));
}

/// Hands `run` and what waited right behind it to the sink, then reads on if a gap remains.
void Feeds::deliver(const std::string& name, std::uint64_t life, std::vector<Record> run) {
  while (Channel* channel = find(name, life)) {
    if (run.empty()) run = release(*channel);
    if (run.empty()) return repair(name, *channel);
    channel->next = run.back().offset + 1;
    channel->known = std::max(channel->known, run.back().offset);
    metrics_.link_updates.add(static_cast<std::int64_t>(run.size()));
    if (sink_ != nullptr) sink_->on_updates(name, run);
    run.clear();
  }
}

/// The updates that wait and are next. Forgets those that came some other way meanwhile.
std::vector<Record> Feeds::release(Channel& channel) {
  std::vector<Record> run;
  forget_below(channel, channel.next);
  while (!channel.waiting.empty() && channel.waiting.begin()->first == channel.next + run.size()) {
    auto node = channel.waiting.extract(channel.waiting.begin());
    set_waiting_bytes(waiting_bytes_ - node.mapped().bytes->size());
    run.push_back(std::move(node.mapped()));
  }
  return run;
}

void Feeds::keep_behind_gap(Channel& channel, Record record) {
  const std::size_t size = record.bytes->size();
  if (waiting_bytes_ + size > static_cast<std::size_t>(config_.link_reorder_bytes)) {
    metrics_.link_dropped_behind_gap.add();
    return;
  }
  if (!channel.waiting.emplace(record.offset, std::move(record)).second)
    return metrics_.link_duplicates.add();
  set_waiting_bytes(waiting_bytes_ + size);
}

void Feeds::forget_below(Channel& channel, Offset next) {
  while (!channel.waiting.empty() && channel.waiting.begin()->first < next) {
    set_waiting_bytes(waiting_bytes_ - channel.waiting.begin()->second.bytes->size());
    channel.waiting.erase(channel.waiting.begin());
  }
}

void Feeds::attach(const std::string& name, const link::Head& head, std::string_view lost) {
  Channel& channel = channels_.find(name)->second;
  const std::uint64_t life = channel.life;
  if (head.epoch != channel.epoch) {
    forget_below(channel, kMaxOffset);
    channel.known = 0;
  }
  channel.attached = true;
  channel.suspect = false;
  channel.epoch = head.epoch;
  channel.next = head.last + 1;
  channel.known = std::max(channel.known, head.last);
  if (!lost.empty()) {
    metrics_.link_reattached.add();
    log::warn("history of a channel could not be repaired",
              {{"channel", name}, {"why", lost}, {"offset", head.last}});
  }
  if (sink_ != nullptr) sink_->on_attached(head, lost);
  deliver(name, life, {});
}

void Feeds::repair(const std::string& name, Channel& channel) {
  if (!channel.behind() || channel.reading || !online_ || clock_.steady() < channel.read_not_before) return;
  channel.reading = true;
  metrics_.link_repairs.add();
  const std::uint64_t ref = requests_.next_ref();
  const auto page = static_cast<std::uint32_t>(config_.link_page_bytes);
  requests_.ask(ref, link::encode(link::Read{ref, name, channel.epoch, channel.next - 1, 0, page}),
                Requests::Again::yes, [this, name, life = channel.life](Result<link::Message> answer) {
                  on_read(name, life, std::move(answer));
                });
}

void Feeds::on_read(const std::string& name, std::uint64_t life, Result<link::Message> answer) {
  Channel* channel = find(name, life);
  if (channel == nullptr) return;
  channel->reading = false;
  auto* page = answer ? std::get_if<link::ReadResult>(&*answer) : nullptr;
  if (page == nullptr) {
    channel->read_not_before = clock_.steady() + kReadPause;
    return;
  }
  on_page(name, life, std::move(*page));
}

void Feeds::on_page(const std::string& name, std::uint64_t life, link::ReadResult page) {
  Channel& channel = *find(name, life);
  const bool other_epoch = page.head.epoch != channel.epoch;
  const bool lost = page.fault.code == describe(Errc::position_lost).name;
  if (lost &&
      (page.head.epoch == Epoch{} || page.head.last > kMaxOffset)) {  // no head to go on from: ask for it
    channel.attached = false;
    channel.was_lost = true;
    return ask(name, channel);
  }
  if (lost || (page.fault.ok() && other_epoch)) {
    // Same epoch and a head behind us: acknowledged updates are gone, offsets would be given twice.
    const bool trimmed = !other_epoch && page.head.last + 1 >= channel.next;
    if (!trimmed) {
      forget_below(channel, kMaxOffset);
      channel.known = 0;
    }
    return attach(name, page.head, trimmed ? "too_old" : "epoch_changed");
  }
  if (page.fault.ok()) {
    channel.suspect = false;
    channel.known = std::max(channel.known, std::min(page.head.last, kMaxOffset));
  }
  if (page.records.empty() || page.records.back().offset < channel.next)
    channel.read_not_before = clock_.steady() + kReadPause;
  else
    channel.read_not_before = {};
  take(name, std::move(page.records));
}

void Feeds::tick() {
  if (!online_) return;
  const Instant now = clock_.steady();
  for (auto& [name, channel] : channels_) {
    const Millis patience = channel.attached ? kHeadMissing : kAskAgain;
    if (!channel.asked || now - channel.heard_at >= patience) ask(name, channel);
    repair(name, channel);
  }
}

Feeds::Channel* Feeds::find(const std::string& name, std::uint64_t life) {
  const auto it = channels_.find(name);
  return it != channels_.end() && it->second.life == life ? &it->second : nullptr;
}

void Feeds::set_waiting_bytes(std::size_t bytes) {
  waiting_bytes_ = bytes;
  metrics_.link_waiting_bytes.set(static_cast<std::int64_t>(bytes));
}

}  // namespace tocsin::edge
