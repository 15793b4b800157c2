#include "tests/checker/publishes.h"

#include <algorithm>
#include <tuple>

namespace tocsin::checker {

std::string_view key_of(const json::Value& update) {
  const auto key = text_of(update, "key");
  if (!key.empty()) return key;
  const json::Value* incident = json::find(update, "incident");
  return incident != nullptr ? text_of(*incident, "id") : key;
}

Hash body_hash(const json::Value& update) {
  const json::Value* event = json::find(update, "event");
  Hash h = combine(hash_text(text_of(update, "kind")), hash_text(key_of(update)));
  if (event != nullptr && event->IsObject()) {
    h = combine(h, hash_text(text_of(*event, "name")));
    const json::Value* data = json::find(*event, "data");
    h = combine(h, data != nullptr && !data->IsNull() ? hash_value(*data) : 0);
  }
  return h;
}

void Publishes::sent(const json::Value& update) {
  const auto id = text_of(update, "event_id");
  if (id.empty()) return;  // the broker makes one up: nothing to hold it to
  Event& event = events_[hash_text(id)];
  if (event.name.empty()) event.name = id.size() <= 40 ? std::string(id) : std::string(id.substr(0, 40));
  event.attempts.push_back({body_hash(update), number_of(update, "if_version", 0)});
}

void Publishes::acked(std::string_view event_id, std::uint32_t log, Offset offset) {
  const Hash id = hash_text(event_id);
  ++events_[id].acks;
  acks_.push_back({log, offset, id});
  logs_.at(log).reached(offset);
  newest_[logs_.at(log).channel()] = log;
  ++findings_.verdict().acked;
}

void Publishes::refused(std::string_view event_id) { ++events_[hash_text(event_id)].refusals; }

std::int64_t Publishes::newest_log(const std::string& channel) const {
  const auto it = newest_.find(channel);
  return it == newest_.end() ? -1 : static_cast<std::int64_t>(it->second);
}

std::string Publishes::name_of(Hash event_id) const {
  const auto it = events_.find(event_id);
  return it == events_.end() || it->second.name.empty() ? "an event" : "event " + it->second.name;
}

void Publishes::judge_acks() {
  std::sort(acks_.begin(), acks_.end(), [](const Ack& a, const Ack& b) {
    return std::tie(a.log, a.event_id, a.offset) < std::tie(b.log, b.event_id, b.offset);
  });
  for (std::size_t i = 0; i < acks_.size(); ++i) {
    const Ack& ack = acks_[i];
    const Log& log = logs_.at(ack.log);
    const Entry* entry = log.at(ack.offset);
    if (entry == nullptr) {
      ++findings_.verdict().unobserved;
    } else if (entry->event_id != ack.event_id) {
      findings_.report("acked", name_of(ack.event_id) + " was acknowledged at " + log.name(ack.offset) +
                                    ", but clients saw " + name_of(entry->event_id) + " there");
    }
    if (i > 0 && acks_[i - 1].log == ack.log && acks_[i - 1].event_id == ack.event_id &&
        acks_[i - 1].offset != ack.offset)
      findings_.report("acked", name_of(ack.event_id) + " was acknowledged at " + log.name(ack.offset) +
                                    " and at " + std::to_string(acks_[i - 1].offset));
  }
  std::sort(acks_.begin(), acks_.end(), [](const Ack& a, const Ack& b) {
    return std::tie(a.log, a.offset, a.event_id) < std::tie(b.log, b.offset, b.event_id);
  });
  for (std::size_t i = 1; i < acks_.size(); ++i)
    if (acks_[i - 1].log == acks_[i].log && acks_[i - 1].offset == acks_[i].offset &&
        acks_[i - 1].event_id != acks_[i].event_id)
      findings_.report("acked", logs_.at(acks_[i].log).name(acks_[i].offset) + " was acknowledged to " +
                                    name_of(acks_[i].event_id) + " and to " + name_of(acks_[i - 1].event_id));
}

void Publishes::judge_origin(std::uint32_t id, Offset offset, const Entry& entry, bool all_publishers) {
  const Log& log = logs_.at(id);
  const auto it = events_.find(entry.event_id);
  if (it == events_.end() || it->second.attempts.empty()) {
    if (all_publishers)
      findings_.report("invented", log.name(offset) + " carries an event_id that nobody sent");
    return;
  }
  const Event& event = it->second;
  // The next epoch may have refused what this one had taken before it was forgotten.
  if (event.acks == 0 && event.refusals >= event.attempts.size() && !logs_.superseded(id))
    findings_.report("refused",
                     log.name(offset) + ": event " + event.name + " was refused each time it was sent");
  const auto fits = [&](const Attempt& a) {
    return a.body == entry.body &&
           (a.if_version == 0 || entry.version == 0 || a.if_version + 1 == entry.version);
  };
  if (std::none_of(event.attempts.begin(), event.attempts.end(), fits))
    findings_.report("body", log.name(offset) + ": event " + event.name +
                                 " differs from what was sent under this event_id");
}

void Publishes::judge_log(std::uint32_t id, bool all_publishers, Offset dedup_window) {
  const Log& log = logs_.at(id);
  std::vector<std::pair<Hash, Offset>> seen;
  log.each(1, ~Offset{0}, [&](Offset offset, const Entry& entry) {
    judge_origin(id, offset, entry, all_publishers);
    seen.emplace_back(entry.event_id, offset);
  });
  std::sort(seen.begin(), seen.end());
  for (std::size_t i = 1; i < seen.size(); ++i)
    if (seen[i - 1].first == seen[i].first &&
        (dedup_window == 0 || seen[i].second - seen[i - 1].second <= dedup_window))
      findings_.report("twice", name_of(seen[i].first) + " stands at " + log.name(seen[i - 1].second) +
                                    " and at " + std::to_string(seen[i].second));
}

void Publishes::judge(bool all_publishers, Offset dedup_window) {
  judge_acks();
  for (std::uint32_t i = 0; i < logs_.size(); ++i) judge_log(i, all_publishers, dedup_window);
}

}  // namespace tocsin::checker
