#include "tests/unit/edge/session/rig.h"

#include <algorithm>

#include "proto/link_message.h"

namespace tocsin::edge::rig {

void FakeBroker::want(const std::string& channel) {
  channels[channel].wanted = true;
  told.erase(channel);
}

void FakeBroker::publish(std::vector<Draft> drafts, Answer<std::vector<link::PublishOutcome>> answer) {
  ++publish_calls;
  due.push_back([this, drafts = std::move(drafts), answer = std::move(answer)] {
    if (away) return answer(Error{Errc::unavailable, "away"});
    std::vector<link::PublishOutcome> out;
    for (const auto& draft : drafts) {
      published.push_back(draft);
      link::PublishOutcome outcome;
      if (draft.kind == "refuse")
        outcome.fault = {"conflict", "no"};
      else
        outcome.position = {channels[draft.channel].epoch, add(draft.channel, draft.key)};
      outcome.event_id = "e";
      out.push_back(outcome);
    }
    answer(std::move(out));
  });
}

void FakeBroker::read(const std::string& channel, Position after, std::uint32_t,
                      Answer<link::ReadResult> answer) {
  ++reads;
  due.push_back([this, channel, after, answer = std::move(answer)] {
    if (away) return answer(Error{Errc::unavailable, "away"});
    const Channel& c = channels[channel];
    link::ReadResult result;
    result.head = c.head(channel);
    if (after.epoch != c.epoch || after.offset + 1 < c.first || after.offset > c.last()) {
      result.fault = {"position_lost", after.epoch != c.epoch    ? "epoch_changed"
                                       : after.offset > c.last() ? "future"
                                                                 : "too_old"};
      return answer(std::move(result));
    }
    for (Offset o = after.offset + 1; o <= c.last() && result.records.size() < page_updates; ++o)
      result.records.push_back(
          {o, std::make_shared<const std::string>(link::encode_update(c.updates[o - 1]))});
    answer(std::move(result));
  });
}

void FakeBroker::snapshot(const std::string& channel, const std::string& cursor,
                          Answer<link::SnapshotPage> answer) {
  ++snapshots;
  const Channel& c = channels[channel];
  // A cursor is "at:index": every page of one snapshot is of the same position.
  const Offset at = cursor.empty() ? c.last() : std::stoull(cursor);
  const std::size_t from = cursor.empty() ? 0 : std::stoull(cursor.substr(cursor.find(':') + 1));
  std::map<std::string, link::IncidentState> state;
  for (Offset o = 1; o <= std::min(at, c.last()); ++o)
    if (const auto& u = c.updates[o - 1]; !u.incident.empty()) state[u.key] = {u.key, o, u.incident};
  link::SnapshotPage page;
  page.position = {c.epoch, at};
  std::size_t index = 0;
  for (const auto& [k, incident] : state) {
    if (index >= from && page.incidents.size() < page_incidents) page.incidents.push_back(incident);
    ++index;
  }
  page.last = from + page_incidents >= state.size();
  if (!page.last) page.cursor = std::to_string(at) + ":" + std::to_string(from + page_incidents);
  due.push_back([this, page = std::move(page), answer = std::move(answer)]() mutable {
    if (away) return answer(Error{Errc::unavailable, "away"});
    answer(std::move(page));
  });
}

void FakeBroker::get_channel(const std::string& channel, Answer<link::ChannelInfo> answer) {
  due.push_back([this, channel, answer = std::move(answer)] {
    if (away) return answer(Error{Errc::unavailable, "away"});
    answer(link::ChannelInfo{0, channels[channel].head(channel), {}});
  });
}

void FakeBroker::put_session(link::SessionRecord record, bool is_connected) {
  ++puts;
  auto& kept = sessions[record.id];
  if (record.fence < kept.fence) return;
  connected[record.id] = is_connected;
  kept = std::move(record);
}

void FakeBroker::claim_session(const std::string& id, std::uint64_t fence, const std::string& subject,
                               Answer<link::SessionState> answer) {
  ++claims;
  due.push_back([this, id, fence, subject, answer = std::move(answer)] {
    if (away) return answer(Error{Errc::unavailable, "away"});
    link::SessionState state;
    state.found = sessions.contains(id);
    if (state.found && sessions[id].subject != subject)
      return answer(Error{Errc::forbidden, "another subject's"});
    if (state.found && sessions[id].fence != fence) return answer(Error{Errc::unauthorized, "used before"});
    if (state.found) ++sessions[id].fence;
    state.record = state.found ? sessions[id] : link::SessionRecord{id, "", 1, {}, ""};
    answer(std::move(state));
  });
}

void FakeBroker::stage_sessions(const std::string& target, std::vector<link::SessionRecord> records,
                                Answer<link::StageAnswer> answer) {
  due.push_back([this, target, records = std::move(records), answer = std::move(answer)] {
    if (away) return answer(Error{Errc::unavailable, "away"});
    if (!staging_refused.ok()) return answer(link::error_of(staging_refused));
    for (const auto& record : records) put_session(record, true);
    staged.push_back({target, records});
    answer(link::StageAnswer{0, {}, static_cast<std::uint32_t>(records.size()), {}});
  });
}

Offset FakeBroker::add(const std::string& channel, const std::string& incident, const std::string& severity,
                       const std::string& status) {
  Channel& c = channels[channel];
  Update u;
  u.offset = c.last() + 1;
  u.event_id = "e" + std::to_string(u.offset);
  u.kind = "updated";
  u.key = incident;
  u.at = "2026-01-01T00:00:00Z";
  u.ends = status == "resolved";
  if (severity.empty()) {
    u.event_name = "note";
    u.event_data = "{}";
  } else {
    u.incident = R"({"id":")" + incident + R"(","severity":")" + severity + R"(","status":")" + status +
                 R"(","version":)" + std::to_string(u.offset) + "}";
  }
  c.updates.push_back(u);
  return u.offset;
}

void FakeBroker::feed(FeedSink& sink) {
  if (away) return;
  for (auto& [name, channel] : channels) {
    if (!channel.wanted) continue;
    if (!told.contains(name)) {
      told[name] = channel.last();
      sink.on_attached(channel.head(name), "");
      continue;
    }
    std::vector<Record> records;
    while (told[name] < channel.last()) {
      const auto& u = channel.updates[told[name]++];
      records.push_back({u.offset, std::make_shared<const std::string>(link::encode_update(u))});
    }
    if (!records.empty()) sink.on_updates(name, records);
  }
}

void FakeBroker::answer(std::size_t count) {
  for (std::size_t i = 0; (count == 0 || i < count) && !due.empty(); ++i) {
    auto next = std::move(due.front());
    due.pop_front();
    next();
  }
}

Sent FakeOutlet::write(Socket s, std::string_view frames) {
  auto& socket = *static_cast<FakeSocket*>(s);
  if (socket.busy || socket.closed || frames.empty()) overrun = true;
  if (socket.dead) return Sent::dead;
  ++socket.writes;
  socket.wire.append(frames);
  if (!socket.blocked) return Sent::all;
  socket.busy = true;
  return Sent::queued;
}

void FakeOutlet::close(Socket s, CloseReason reason, std::string_view) {
  auto& socket = *static_cast<FakeSocket*>(s);
  if (socket.closed) overrun = true;
  socket.closed = true;
  socket.reason = reason;
}

std::vector<std::string> Peer::take() {
  std::vector<std::string> out;
  std::string_view rest = socket.wire;
  while (const auto frame = ws::read(rest)) {
    if (frame->opcode == ws::Opcode::ping)
      ++ping_count;
    else
      out.emplace_back(frame->payload);
    rest.remove_prefix(frame->size);
  }
  socket.wire = std::string(rest);
  return out;
}

Rig::Rig(Config c) : config(std::move(c)) {
  gateway = std::make_unique<Gateway>(
      config, clock, broker, outlet,
      [this] { return seed = seed * 6364136223846793005ULL + 1442695040888963407ULL; }, metrics);
}

Peer& Rig::connect(Opening opening) {
  auto& peer = *peers.emplace_back(std::make_unique<Peer>());
  peer.id = *gateway->open(&peer.socket, opening);
  return peer;
}

void Rig::turn() {
  broker.answer(broker.due.size());
  broker.feed(gateway->feed());
  gateway->turn();
}

void Rig::settle() {
  for (int quiet = 0, i = 0; quiet < 3 && i < 2'000; ++i) {
    const bool idle = broker.due.empty();
    broker.answer(broker.due.size());
    broker.feed(gateway->feed());
    const bool more = gateway->turn();
    quiet = idle && !more ? quiet + 1 : 0;
  }
}

void Rig::wait(Millis time) {
  for (Millis t{0}; t < time; t += Millis{100}) {
    clock.now += Millis{100};
    gateway->tick();
    turn();
  }
}

void Rig::drop(Peer& peer) {
  gateway->closed(peer.id);
  peer.socket.closed = true;
}

void Rig::unblock(Peer& peer) {
  peer.socket.blocked = false;
  if (!peer.socket.busy) return;
  peer.socket.busy = false;
  gateway->writable(peer.id);
}

std::string type_of(const std::string& frame) { return text_of(frame, "type"); }

std::string text_of(const std::string& frame, const char* member) {
  const auto doc = json::parse(frame);
  if (!doc) return "?";
  const auto* v = json::find(*doc, member);
  return v != nullptr && v->IsString() ? std::string(json::view(*v)) : "";
}

std::uint64_t number_of(const std::string& frame, const char* member) {
  const auto doc = json::parse(frame);
  if (!doc) return 0;
  const auto* v = json::find(*doc, member);
  if (v != nullptr && v->IsObject()) v = json::find(*v, "offset");
  return v != nullptr && v->IsUint64() ? v->GetUint64() : 0;
}

std::vector<std::string> of_type(const std::vector<std::string>& frames, const std::string& type) {
  std::vector<std::string> out;
  std::copy_if(frames.begin(), frames.end(), std::back_inserter(out),
               [&](const auto& f) { return type_of(f) == type; });
  return out;
}

}  // namespace tocsin::edge::rig
