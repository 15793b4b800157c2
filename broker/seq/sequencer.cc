#include "broker/seq/sequencer.h"

#include <algorithm>
#include <utility>

#include "broker/seq/history.h"
#include "broker/state/incident_fold.h"
#include "common/json/json.h"
#include "common/log/log.h"
#include "common/log/slow.h"
#include "common/rfc3339.h"
#include "common/trace/context.h"
#include "proto/filter.h"

namespace tocsin::broker {
namespace {

constexpr Millis kRetryAfterFault{1'000};
constexpr std::size_t kTrimmedPerTick = 50;  // channels
constexpr Offset kDroppedPerTick = 2'000;    // rows of all of them
/// Updates in one group. More would not make a commit cheaper, and would leave the store idle while the
/// publishers of one large group are answered, and the loop idle while it is written.
constexpr std::size_t kGroupCount = 1'024;

std::uint64_t hash_of(const Draft& d) {
  const std::hash<std::string_view> h;
  std::uint64_t out = h(d.kind);
  for (const std::string_view part : {std::string_view(d.key), std::string_view(d.incident),
                                      std::string_view(d.event_name), std::string_view(d.event_data)})
    out = out * 0x9E3779B97F4A7C15ULL + h(part);
  return out == 0 ? 1 : out;
}

std::string random_id(const Sequencer::Random& random) {
  return to_text(Epoch{random()}) + to_text(Epoch{random()});
}

Status check_text(std::string_view member, std::string_view value, std::size_t max) {
  if (value.size() > max || !json::valid_utf8(value))
    return Error{Errc::invalid_argument, "\"" + std::string(member) + "\" must be UTF-8 of at most " +
                                             std::to_string(max) + " bytes"};
  return Done{};
}

/// What parse_draft() checked for the edge's publishers is checked again here: the link's publishers come
/// straight.
Status check_draft(const Draft& d) {
  if (auto ok = check_text("event_id", d.event_id, kMaxEventId); !ok) return ok;
  if (auto ok = check_text("key", d.key, kMaxKey); !ok) return ok;
  if (auto ok = check_text("kind", d.kind, 64); !ok) return ok;
  if (auto ok = check_text("actor", d.actor, 200); !ok) return ok;
  if (auto ok = check_text("event.name", d.event_name, kMaxEventId); !ok) return ok;
  if (!d.at.empty() && !parse_rfc3339(d.at))
    return Error{Errc::invalid_argument, "\"at\" must be an RFC 3339 date-time"};
  if (d.incident.empty() == d.event_name.empty())
    return Error{Errc::invalid_argument, "give one of \"incident\" and \"event\""};
  if (!d.incident.empty() && d.key.empty())
    return Error{Errc::invalid_argument, "\"key\" is required with an incident"};
  if (d.event_name.empty()) return Done{};
  if (auto parsed = json::parse(d.event_data.empty() ? "null" : std::string_view(d.event_data)); !parsed)
    return parsed.error();
  return Done{};
}

/// Who sees only some rows changes only those, and moves none in or out: else a foreign incident could be
/// read by giving it the own label.
Status check_within(const Constraints& within, std::string_view key, std::string_view incident) {
  if (within.empty() || incident.empty() || inside(within, facts_of_incident(key, incident))) return Done{};
  return Error{Errc::forbidden, "the incident is outside of what the token lets its holder see"};
}

}  // namespace

Sequencer::Sequencer(const Config& config, LogStore& store, const Clock& clock, Random random,
                     Metrics& metrics, Sink sink)
    : config_(config),
      store_(store),
      clock_(clock),
      random_(std::move(random)),
      metrics_(metrics),
      sink_(std::move(sink)),
      channels_(config, store, random_),
      incidents_(store, static_cast<std::size_t>(config.incident_cache_bytes)) {}

Status Sequencer::open() {
  if (auto ok = channels_.open(); !ok) return ok;
  metrics_.channels.set(static_cast<std::int64_t>(channels_.size()));
  return Done{};
}

void Sequencer::touch(Channel& channel) {
  if (std::find(gathering_.touched.begin(), gathering_.touched.end(), &channel) == gathering_.touched.end())
    gathering_.touched.push_back(&channel);
}

Result<Channel*> Sequencer::open_channel(std::string_view name) {
  auto channel = channels_.find_or_create(name);
  if (!channel) return channel;
  if (!(*channel)->stored) touch(**channel);
  return channel;
}

Status Sequencer::admit(const Draft& draft) const {
  if (fault_) return *fault_;
  if (stopping_) return Error{Errc::unavailable, "the broker is stopping"};
  if (closed_count_ + gathering_.count >= static_cast<std::size_t>(config_.group_max_count) ||
      closed_bytes_ + gathering_.bytes >= static_cast<std::size_t>(config_.group_max_bytes))
    return Error{Errc::overloaded, "the disk is behind; try again"};
  return check_draft(draft);
}

void Sequencer::publish(std::string_view peer, link::Publish message, Origin origin) {
  PublishAnswer answer{std::string(peer), message.ref, {}, 0, clock_.steady_us(), 0, origin};
  answer.outcomes.reserve(message.drafts.size());
  std::size_t& unanswered = unanswered_[answer.peer];
  for (auto& draft : message.drafts) {
    if (unanswered >= static_cast<std::size_t>(config_.publish_window)) {
      metrics_.overloaded.add();
      link::PublishOutcome refused;
      refused.event_id = draft.event_id;
      refused.fault =
          link::fault_of({Errc::overloaded,
                          "more than " + std::to_string(config_.publish_window) + " updates are unanswered"});
      answer.outcomes.push_back(std::move(refused));
      continue;
    }
    ++unanswered;
    ++answer.counted;
    if (draft.trace.size() != trace::kContextBytes) draft.trace.clear();
    if (tracer_ != nullptr && !draft.trace.empty())
      answer.traces.emplace_back(answer.outcomes.size(), draft.trace);
    const auto& outcome = answer.outcomes.emplace_back(accept(std::move(draft)));
    if (outcome.fault.ok() && !outcome.duplicate) ++answer.taken;
  }
  gathering_.answers.push_back(std::move(answer));
  if (gathering_.count >= kGroupCount) close_group();
  flush();
}

link::PublishOutcome Sequencer::accept(Draft draft) {
  link::PublishOutcome outcome;
  const auto refuse = [&](const Error& error) {
    (error.code == Errc::overloaded ? metrics_.overloaded : metrics_.refused).add();
    if (error.code == Errc::corrupt) found_corrupt(error);
    outcome.fault = link::fault_of(error);
    return outcome;
  };
  outcome.event_id = draft.event_id;
  if (auto ok = admit(draft); !ok) return refuse(ok.error());
  if (draft.event_id.empty()) outcome.event_id = draft.event_id = random_id(random_);
  const auto opened = open_channel(draft.channel);
  if (!opened) return refuse(opened.error());
  Channel& channel = **opened;
  if (auto ok = channels_.load_dedup(channel); !ok) return refuse(ok.error());

  outcome.durability = channel.pending.durability;
  const std::uint64_t body = hash_of(draft);
  if (const auto known = channel.dedup->find(draft.event_id)) {
    metrics_.duplicates.add();
    if (known->body != 0 && known->body != body) {
      metrics_.duplicate_bodies.add();
      log::warn("an event_id was published again with another body; the first one stands",
                {{"channel", channel.pending.name}, {"event_id", draft.event_id}});
    }
    outcome.duplicate = true;
    outcome.position = {channel.pending.epoch, known->offset};
    return outcome;
  }
  auto update = make_update(channel, draft, outcome);
  if (!update) return refuse(update.error());
  append(channel, *std::move(update), body);
  outcome.position = {channel.pending.epoch, channel.pending.last};
  return outcome;
}

Result<Update> Sequencer::make_update(Channel& channel, Draft& draft, link::PublishOutcome& outcome) {
  Update update;
  update.at = draft.at.empty() ? rfc3339(clock_.wall_ms()) : std::move(draft.at);
  const auto max = static_cast<std::size_t>(config_.update_max_bytes);
  const auto too_large = [max](std::size_t size) {
    return Error{Errc::too_large, std::to_string(size) + " bytes after the change, limit " +
                                      std::to_string(max) + " (log.update_max_bytes)"};
  };
  if (draft.event_name.empty()) {
    const auto current = incidents_.find(channel.pending.id, draft.key);
    if (!current) return current.error();
    const std::string_view before = *current != nullptr ? std::string_view(**current) : std::string_view{};
    const auto within = parse_constraints(draft.within);
    if (!within) return within.error();
    if (auto ok = check_within(*within, draft.key, before); !ok) return ok.error();
    auto folded = fold(before, draft, update.at);
    if (!folded) return folded.error();
    if (auto ok = check_within(*within, draft.key, folded->json); !ok) return ok.error();
    if (folded->json.size() > max) return too_large(folded->json.size());
    outcome.version = folded->version;
    update.incident = std::move(folded->json);
    update.changed = std::move(folded->changed);
    update.ends = folded->ends;
  } else {
    if (draft.event_data.size() > max) return too_large(draft.event_data.size());
    update.event_name = std::move(draft.event_name);
    update.event_data = std::move(draft.event_data);
  }
  update.event_id = std::move(draft.event_id);
  update.kind =
      draft.kind.empty() ? (update.event_name.empty() ? "updated" : "event") : std::move(draft.kind);
  update.key = std::move(draft.key);
  update.actor = std::move(draft.actor);
  update.trace = draft.trace.substr(0, trace::kTraceIdBytes);
  return update;
}

void Sequencer::append(Channel& channel, Update update, std::uint64_t body_hash) {
  ChannelMeta& meta = channel.pending;
  const Offset offset = ++meta.last;
  Record record{offset, std::make_shared<const std::string>(link::encode_update(update))};
  meta.bytes_total += record.bytes->size();
  channel.newest_ms = std::max(channel.newest_ms, clock_.wall_ms());
  limit_count(config_, meta);

  gathering_.count += 1;
  gathering_.bytes += record.bytes->size() + update.incident.size();
  gathering_.batch.appends.push_back({meta.id, record, update.event_id, channel.newest_ms, meta.bytes_total});
  if (!update.incident.empty()) {
    auto json = std::make_shared<const std::string>(std::move(update.incident));
    incidents_.put(meta.id, update.key, json, next_number_);
    gathering_.batch.incidents.emplace_back(meta.id,
                                            IncidentRow{std::move(update.key), offset, std::move(json)});
  }
  touch(channel);
  auto& runs = gathering_.runs;
  auto run =
      std::find_if(runs.begin(), runs.end(), [&](const CommittedRun& r) { return r.channel == meta.name; });
  if (run == runs.end()) run = runs.insert(runs.end(), {meta.name, meta.epoch, {}});
  run->records.push_back(std::move(record));
  channel.dedup->add(std::move(update.event_id), {offset, body_hash});
}

void Sequencer::flush() {
  // A group without anything to store (refusals, duplicates) needs no commit, but waits for its turn.
  while (!committing_ && (!closed_.empty() || !gathering_.empty())) start_commit();
}

/// What gathered is a group: its metas are as they are now, whatever comes behind it.
void Sequencer::close_group() {
  Group group = std::exchange(gathering_, {});
  group.number = next_number_++;
  for (const Channel* channel : group.touched) group.batch.channels.push_back(channel->pending);
  closed_count_ += group.count;
  closed_bytes_ += group.bytes;
  closed_.push_back(std::move(group));
}

void Sequencer::start_commit() {
  if (closed_.empty()) close_group();
  Group group = std::move(closed_.front());
  closed_.pop_front();
  closed_count_ -= group.count;
  closed_bytes_ -= group.bytes;
  if (group.batch.empty()) return committed(std::move(group), Done{});
  started_commit_us_ = clock_.steady_us();
  Batch batch = std::move(group.batch);
  group.batch = {};
  group.batch.channels = batch.channels;
  committing_ = std::move(group);
  store_.commit(std::move(batch), [this](const Status& status) {
    Group done = *std::exchange(committing_, std::nullopt);
    metrics_.groups.add();
    const std::int64_t took_us = clock_.steady_us() - started_commit_us_;
    metrics_.commit_seconds.observe(static_cast<double>(took_us) / 1e6);
    log::slow("slow_commit", "a commit took long", took_us / 1'000, {"updates", done.count});
    if (!status) return fail(std::move(done), status.error());
    if (fault_ && !corrupt_) {
      log::info("the store takes updates again");
      fault_.reset();
    }
    channels_.committed(done.batch.channels);
    incidents_.committed(done.number);
    if (!closed_.empty() || gathering_.writes())
      start_commit();  // the disk works while this group is sent out
    committed(std::move(done), Done{});
    flush();
  });
}

void Sequencer::committed(Group group, const Status& status) {
  metrics_.channels.set(static_cast<std::int64_t>(channels_.size()));
  measure(group);
  for (const auto& run : group.runs) {
    metrics_.published.add(static_cast<std::int64_t>(run.records.size()));
    sink_.on_run(run);
  }
  answer(group, nullptr);
  for (const auto& after : group.after) after(status);
}

/// How long the updates of a committed group took, and the spans of those that are traced.
void Sequencer::measure(const Group& group) {
  const std::int64_t now = clock_.steady_us();
  for (const auto& one : group.answers) {
    if (one.taken == 0) continue;
    const std::int64_t took = now - one.arrived_us;
    metrics_.publish_commit_seconds.observe(static_cast<double>(took) / 1e6, one.taken);
    if (tracer_ == nullptr) continue;
    const std::int64_t end = clock_.wall_us();
    auto joined = one.traces.begin();
    for (std::size_t i = 0; i < one.outcomes.size(); ++i) {
      const auto& outcome = one.outcomes[i];
      std::string trace;
      if (joined != one.traces.end() && joined->first == i) trace = (joined++)->second;
      if (!outcome.fault.ok() || outcome.duplicate || !tracer_->sampled(outcome.event_id, trace)) continue;
      tracer_->add({trace::Stage::commit,
                    outcome.event_id,
                    {},
                    outcome.position.offset,
                    end - took,
                    end,
                    one.origin == Origin::publisher,
                    {},
                    std::move(trace)});
    }
  }
}

void Sequencer::answer(Group& group, const Error* error) {
  for (auto& answer : group.answers) {
    const auto at = unanswered_.find(answer.peer);
    if (at != unanswered_.end()) {
      at->second -= std::min(at->second, answer.counted);
      if (at->second == 0) unanswered_.erase(at);
    }
    if (error != nullptr)
      for (auto& outcome : answer.outcomes)
        // A conflict was found against state that is now undone: it says nothing about what is kept.
        if (outcome.fault.ok() || outcome.fault.code == describe(Errc::conflict).name ||
            outcome.fault.code == describe(Errc::forbidden).name)
          outcome.fault = link::fault_of(*error);
    sink_.on_answer(std::move(answer));
  }
}

void Sequencer::fail(Group group, const Error& error) {
  metrics_.commit_failures.add();
  if (!fault_)
    log::error("the store refused a group; nothing of it is acknowledged",
               {{"code", describe(error.code).name}, {"detail", error.detail}});
  fault_ = error;
  next_try_ = clock_.steady() + kRetryAfterFault;
  // What gathered meanwhile was built on what is now undone.
  if (!gathering_.empty()) close_group();
  auto behind = std::exchange(closed_, {});
  closed_count_ = closed_bytes_ = 0;
  channels_.roll_back();
  incidents_.clear();
  const Status failed = error;
  const auto tell = [&](Group& g) {
    answer(g, &error);
    for (const auto& after : g.after) after(failed);
  };
  tell(group);
  for (Group& g : behind) tell(g);
}

void Sequencer::found_corrupt(const Error& error) {
  if (!corrupt_)
    log::error("stored data does not read back; nothing more is taken. Restore a backup or repair the folder",
               {{"detail", error.detail}});
  corrupt_ = true;
  fault_ = Error{Errc::corrupt, error.detail};
}

void Sequencer::trim_some() {
  const auto some = channels_.some_after(trimmed_to_, kTrimmedPerTick);
  if (some.empty()) return;
  Offset budget = kDroppedPerTick;
  for (Channel* channel : some) {
    const bool moved =
        limit_size_and_age(config_, store_, clock_.wall_ms(), channel->committed.last, channel->pending);
    const Offset dropped = drop_rows(config_, channel->pending, budget);
    budget -= dropped;
    if (moved || dropped > 0) touch(*channel);
  }
  trimmed_to_ = some.back()->pending.name;
}

void Sequencer::tick() {
  metrics_.waiting_updates.set(static_cast<std::int64_t>(closed_count_ + gathering_.count));
  metrics_.waiting_bytes.set(static_cast<std::int64_t>(closed_bytes_ + gathering_.bytes));
  if (fault_) {
    // A small write tells whether the store has recovered.
    if (!corrupt_ && !committing_ && clock_.steady() >= next_try_) {
      gathering_.batch.settings.emplace_back("last_attempt", std::to_string(clock_.wall_ms()));
      next_try_ = clock_.steady() + kRetryAfterFault;
    }
  } else if (!stopping_) {
    trim_some();
  }
  flush();
}

std::string Sequencer::not_ready_reason() const {
  if (stopping_) return "stopping";
  return fault_ ? std::string(describe(fault_->code).name) : "";
}

Millis Sequencer::committing_for() const {
  return Millis{committing_ ? (clock_.steady_us() - started_commit_us_) / 1'000 : 0};
}

}  // namespace tocsin::broker
