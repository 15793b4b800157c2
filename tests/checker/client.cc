#include "tests/checker/client.h"

#include <algorithm>
#include <array>

namespace tocsin::checker {
namespace {

std::optional<Since> position_of(const json::Value* value) {
  if (value == nullptr || !value->IsObject()) return std::nullopt;
  return Since{std::string(text_of(*value, "epoch")), number_of(*value, "offset", 0)};
}

std::string show(const Since& p) { return p.epoch + ":" + std::to_string(p.offset); }

std::string range(Offset from, Offset to) {
  return from == to ? std::to_string(from) : std::to_string(from) + ".." + std::to_string(to);
}

}  // namespace

bool Run::stable(const std::string& channel) const {
  return stable_epochs ||
         std::find(stable_channels.begin(), stable_channels.end(), channel) != stable_channels.end();
}

Client::Client(Run& run, std::string name)
    : run_(run), name_(std::move(name)), number_(run.clients.id(name_)) {
  ++run_.findings.verdict().clients;
}

void Client::report(std::string_view clause, const std::string& id, const std::string& text) {
  run_.findings.report(clause, name_ + " \"" + id + "\": " + text);
}

void Client::opened(std::uint64_t conn) {
  conns_[conn] = {};
  ++run_.findings.verdict().sockets;
}

void Client::closed(std::uint64_t conn) {
  const auto it = conns_.find(conn);
  if (it == conns_.end()) return;
  for (auto& [id, stream] : it->second.streams) end(stream, true);
  conns_.erase(it);
}

void Client::forget() {
  wishes_.clear();
  conns_.clear();
}

void Client::sent(std::uint64_t number, const json::Value& frame) {
  Conn& conn = conns_[number];
  const auto type = text_of(frame, "type");
  const std::string id(text_of(frame, "id"));
  if (type == "subscribe") {
    Wish wish;
    wish.channel = text_of(frame, "channel");
    const json::Value* filter = json::find(frame, "filter");
    wish.view = run_.evidence.view_id(View(filter));
    if (filter != nullptr) wish.filter = json::text(*filter);
    wish.snapshot = flag_of(frame, "snapshot");
    wish.since = position_of(json::find(frame, "since"));
    // Unanswered, it may still come back by ticket on another socket.
    if (const auto now = wishes_.find(id); now == wishes_.end() || now->second.log < 0) wishes_[id] = wish;
    wish.asked = true;
    conn.asked[id] = std::move(wish);
  } else if (type == "unsubscribe") {
    if (const auto it = conn.streams.find(id); it != conn.streams.end()) {
      end(it->second, true);
      conn.ended.push_back(it->second.sub);
      conn.streams.erase(it);
    }
    // A ticket may still bring it back, when the edge died before it read this: then as a new stream.
    if (const auto wish = wishes_.find(id); wish != wishes_.end()) {
      wish->second.log = -1;
      wish->second.had = Coverage();
    }
  } else if (type == "connect") {
    conn.nothing_stated = true;
    if (const json::Value* since = json::find(frame, "since"); since != nullptr && since->IsObject())
      for (const auto& m : since->GetObject())
        if (auto p = position_of(&m.value))
          conn.nothing_stated = false, conn.since[std::string(json::view(m.name))] = *std::move(p);
  }
}

void Client::rows(std::uint64_t number, const std::string& id, const json::Value& labels) {
  conns_[number].rows[id] = json::text(labels);
}

/// Its filter, and the rows of its client.
void Client::look_through(const Conn& conn, const Wish& wish, Stream& stream) {
  stream.view = wish.view;
  const auto rows = conn.rows.find(stream.id);
  if (rows == conn.rows.end()) return;
  const auto labels = json::parse(rows->second);
  const auto filter = json::parse(wish.filter.empty() ? "{}" : wish.filter);
  stream.judged = labels && labels->IsObject();
  if (stream.judged && filter) stream.view = run_.evidence.view_id(View(&*filter, &*labels));
}

void Client::received(std::uint64_t number, const json::Value& frame) {
  Conn& conn = conns_[number];
  const auto type = text_of(frame, "type");
  if (type == "subscribed") return on_subscribed(conn, frame);
  if (type == "error") {
    conn.asked.erase(std::string(text_of(frame, "id")));
    return;
  }
  using Handler = void (Client::*)(Stream&, const json::Value&);
  constexpr std::array<std::pair<std::string_view, Handler>, 4> kHandlers{
      {{"update", &Client::on_update},
       {"skip", &Client::on_skip},
       {"head", &Client::on_head},
       {"snapshot", &Client::on_snapshot}}};
  for (const auto& [name, handler] : kHandlers) {
    if (name != type) continue;
    const auto sub = number_of(frame, "sub", 0);
    bool known = std::find(conn.ended.begin(), conn.ended.end(), sub) != conn.ended.end();
    for (auto& [id, stream] : conn.streams) {
      if (stream.sub != sub) continue;
      (this->*handler)(stream, frame);
      known = true;
    }
    if (!known)
      report("undeclared", "",
             std::string(type) + " for sub " + std::to_string(sub) + ", which was never subscribed");
  }
}

void Client::on_subscribed(Conn& conn, const json::Value& frame) {
  const std::string id(text_of(frame, "id"));
  const auto asked = conn.asked.find(id);
  if (asked != conn.asked.end()) {
    Wish& wish = wishes_[id];
    const bool same = wish.channel == asked->second.channel && wish.log >= 0;
    Coverage had = same ? std::move(wish.had) : Coverage{};
    const std::int64_t log = same ? wish.log : -1;
    wish = std::move(asked->second);
    wish.had = std::move(had);
    wish.log = log;
    conn.asked.erase(asked);
    return begin(conn, wish, id, frame);
  }
  const auto wish = wishes_.find(id);
  if (wish == wishes_.end()) return report("undeclared", id, "subscribed, but nobody asked");
  wish->second.since.reset();
  if (const auto since = conn.since.find(id); since != conn.since.end()) {
    wish->second.since = since->second;
    conn.since.erase(since);
  }
  begin(conn, wish->second, id, frame);
}

void Client::check_answer(const Wish& wish, const std::string& outcome, std::string_view reason,
                          const Since& position, const std::string& id) {
  const Since& since = *wish.since;
  if (outcome == "resumed") {
    if (position.epoch != since.epoch)
      report("epoch", id, "resumed at " + show(position) + ", another epoch than " + show(since));
    else if (position.offset != since.offset)
      report("resume", id, "resumed at " + show(position) + " instead of " + show(since));
  } else if (outcome == "lost") {
    if (reason.empty()) report("resume", id, "lost without a reason");
    if (reason == "epoch_changed" && position.epoch == since.epoch)
      report("epoch", id, "lost as epoch_changed, but " + show(since) + " is of this epoch");
    if (reason == "future" && position.epoch == since.epoch && since.offset <= position.offset)
      report("epoch", id, "lost as future, but " + show(since) + " is not beyond " + show(position));
    if (reason == "too_old" && run_.history_kept)
      report("epoch", id, "lost as too_old, but the history is kept");
  } else if (outcome != "snapshot" && outcome != "resumed_from_snapshot") {
    report("resume", id, "outcome " + outcome + " answers a since");
  }
}

void Client::check_unasked(const Conn& conn, const Wish& wish, const std::string& id,
                           const std::string& outcome, const Since& position) {
  const auto now = conn.streams.find(id);
  if (outcome == "resumed" || outcome == "live") {
    // A snapshot that was cut off begins again; a socket that stated no position gets a new stream.
    if (now != conn.streams.end()) {
      if (outcome == "resumed" || !now->second.snapshotting)
        report("undeclared", id, "the stream was restarted as " + outcome);
      return;
    }
    if (outcome == "live" && wish.log >= 0 && !conn.nothing_stated)
      report("undeclared", id, "a ticket brought it back as live");
    else if (wish.log >= 0 && run_.logs.at(static_cast<std::uint32_t>(wish.log)).epoch() != position.epoch)
      report("epoch", id, "resumed by ticket in another epoch, " + show(position));
    return;
  }
  if (now != conn.streams.end() && run_.logs.at(now->second.log).epoch() == position.epoch &&
      position.offset + 1 < now->second.on_socket.next())
    report("undeclared", id, "restarted at the older position " + show(position));
}

void Client::begin(Conn& conn, Wish& wish, const std::string& id, const json::Value& frame) {
  const std::string outcome(text_of(frame, "outcome"));
  const auto reason = text_of(frame, "reason");
  const Since position = position_of(json::find(frame, "position")).value_or(Since{});
  const std::uint32_t log = run_.logs.id(wish.channel, position.epoch);
  if (position.epoch.empty()) report("resume", id, "subscribed without a position");
  if (wish.since)
    check_answer(wish, outcome, reason, position, id);
  else if (!wish.asked)
    check_unasked(conn, wish, id, outcome, position);
  else if (outcome == "resumed")
    report("resume", id, "resumed, but no since was given");

  const auto [newest, first] = run_.newest_seen.try_emplace(wish.channel, log);
  if (!first && newest->second != log && run_.stable(wish.channel))
    report("epoch", id, "the epoch of " + wish.channel + " changed to " + position.epoch);
  newest->second = log;

  const auto old = conn.streams.find(id);
  if (old != conn.streams.end()) end(old->second, true);
  if (outcome == "resumed" && wish.log == static_cast<std::int64_t>(log)) {
    ++run_.findings.verdict().resumed;
  } else {
    if (outcome == "lost") ++run_.findings.verdict().lost;
    // An older socket may say so late, when a newer one is further: only what lies before is declared.
    if (wish.log != static_cast<std::int64_t>(log))
      wish.had = Coverage(position.offset + 1);
    else if (wish.had.next() <= position.offset)
      wish.had.add(wish.had.next(), position.offset);
    wish.log = log;
  }
  Stream stream;
  stream.id = id;
  stream.sub = number_of(frame, "sub", 0);
  stream.log = log;
  look_through(conn, wish, stream);
  stream.start = position.offset;
  stream.on_socket = Coverage(position.offset + 1);
  stream.snapshotting = outcome == "snapshot" || outcome == "resumed_from_snapshot" ||
                        (outcome == "live" && wish.snapshot && !wish.since);
  conn.streams.insert_or_assign(id, std::move(stream));
  std::erase(conn.ended, number_of(frame, "sub", 0));
  wish.asked = false;
  wish.since.reset();
}

void Client::advance(Stream& stream, Offset from, Offset to) {
  run_.logs.at(stream.log).reached(to);
  if (const auto wish = wishes_.find(stream.id);
      wish != wishes_.end() && wish->second.log == static_cast<std::int64_t>(stream.log))
    wish->second.had.add(from, to);
  const Offset next = stream.on_socket.next();
  if (stream.snapshotting) {
    report("snapshot", stream.id, "offset " + range(from, to) + " before the last snapshot frame");
    stream.snapshotting = false;
  }
  if (!stream.on_socket.add(from, to))
    report("duplicate", stream.id,
           run_.logs.at(stream.log).name(from) + (to > from ? ".." + std::to_string(to) : "") +
               " came again, " + std::to_string(next) + " was next");
}

void Client::end(Stream& stream, bool cut) {
  const Log& log = run_.logs.at(stream.log);
  if (!stream.on_socket.whole() && !(cut && stream.conflated)) {
    const auto [from, to] = stream.on_socket.hole();
    report("gap", stream.id,
           log.channel() + " " + log.epoch() + ": " + range(from, to) + " never came, " +
               std::to_string(stream.on_socket.highest()) + " did");
    stream.on_socket = Coverage(stream.on_socket.highest() + 1);
  }
}

void Client::on_update(Stream& stream, const json::Value& frame) {
  const Offset offset = number_of(frame, "offset", 0);
  ++run_.findings.verdict().updates;
  if (offset == 0) return report("gap", stream.id, "an update without an offset");
  observe(stream, offset, frame);
  if (const json::Value* replaces = json::find(frame, "replaces");
      replaces != nullptr && replaces->IsArray()) {
    stream.conflated = true;
    for (const auto& old : replaces->GetArray()) {
      if (!old.IsUint64()) continue;
      ++run_.findings.verdict().replaced;
      run_.evidence.replaced(stream.log, old.GetUint64(), offset, number_);
      advance(stream, old.GetUint64(), old.GetUint64());
    }
  }
  advance(stream, offset, offset);
}

void Client::observe(Stream& stream, Offset offset, const json::Value& frame) {
  Log& log = run_.logs.at(stream.log);
  Hash content = 0;
  for (const auto& m : frame.GetObject()) {
    const auto name = json::view(m.name);
    if (name != "type" && name != "sub" && name != "offset" && name != "replaces")
      content += combine(hash_text(name), hash_value(m.value));
  }
  content = content == 0 ? 1 : content;
  Entry& entry = log.slot(offset);
  const json::Value* incident = json::find(frame, "incident");
  if (entry.content == 0) {
    entry = {
        .content = content,
        .event_id = hash_text(text_of(frame, "event_id")),
        .body = body_hash(frame),
        .incident = incident != nullptr ? hash_value(*incident) : 0,
        .traits = run_.traits.id(traits_of(text_of(frame, "kind"), incident)),
        .key = run_.keys.id(key_of(frame)),
        .version = incident != nullptr ? static_cast<std::uint32_t>(number_of(*incident, "version", 0)) : 0};
    ++run_.findings.verdict().positions;
  } else if (entry.content != content) {
    report("content", stream.id,
           log.name(offset) + " is not what others saw there (event_id here: " +
               std::string(text_of(frame, "event_id")) + ")");
  }
  const View& view = run_.evidence.view(stream.view);
  if (!stream.judged || view.everything()) return;
  const Traits& traits = run_.traits.at(entry.traits);
  const Answer3 passes = view.passes(traits, run_.keys.text(entry.key), Answer3::unknown);
  if (passes == Answer3::no)
    report("filter", stream.id, log.name(offset) + " does not match the filter {" + view.identity() + "}");
  if (passes == Answer3::unknown) run_.evidence.ended(stream.log, stream.view, offset, number_);
}

void Client::on_skip(Stream& stream, const json::Value& frame) {
  const Offset from = number_of(frame, "from", 0);
  const Offset to = number_of(frame, "to", 0);
  if (from == 0 || to < from)
    return report("gap", stream.id, "skip of " + std::to_string(from) + ".." + std::to_string(to));
  run_.findings.verdict().skipped += to - from + 1;
  if (!stream.judged) {
    // Nothing is known of what it may skip.
  } else if (run_.evidence.view(stream.view).everything()) {
    report("filter", stream.id,
           run_.logs.at(stream.log).name(from) + ".." + std::to_string(to) +
               " was declared skipped, but there is no filter");
  } else {
    run_.evidence.skipped(stream.log, stream.view, from, to, number_);
  }
  advance(stream, from, to);
}

void Client::on_head(Stream& stream, const json::Value& frame) {
  const Offset offset = number_of(frame, "offset", 0);
  if (stream.on_socket.highest() > offset)
    report("head", stream.id,
           "head " + std::to_string(offset) + " after " + std::to_string(stream.on_socket.highest()) +
               " was delivered");
  if (!stream.on_socket.whole() && stream.on_socket.next() <= offset) end(stream, false);
}

void Client::on_snapshot(Stream& stream, const json::Value& frame) {
  if (!stream.snapshotting) report("snapshot", stream.id, "a snapshot frame where none belongs");
  const json::Value* incidents = json::find(frame, "incidents");
  if (incidents != nullptr && incidents->IsArray())
    for (const auto& incident : incidents->GetArray())
      stream.rows.push_back({run_.keys.id(text_of(incident, "id")), hash_value(incident)});
  if (!flag_of(frame, "last")) return;
  stream.snapshotting = false;
  ++run_.findings.verdict().snapshots;
  auto rows = std::exchange(stream.rows, {});
  if (stream.judged) run_.evidence.snapshot(stream.log, stream.view, stream.start, std::move(rows), number_);
}

void Client::settled() {
  for (auto& [number, conn] : conns_) {
    for (auto& [id, stream] : conn.streams) {
      const Log& log = run_.logs.at(stream.log);
      // Logs are numbered as they are first heard of: the highest number is the newest epoch.
      const auto newest = std::max(run_.publishes.newest_log(log.channel()),
                                   static_cast<std::int64_t>(run_.newest_seen[log.channel()]));
      if (newest > static_cast<std::int64_t>(stream.log)) {
        report("behind", id,
               "still in epoch " + log.epoch() + " of " + log.channel() + "; the newest is " +
                   run_.logs.at(static_cast<std::uint32_t>(newest)).epoch());
      } else if (stream.on_socket.next() <= log.highest()) {
        report("behind", id,
               "has " + log.channel() + " up to " + std::to_string(stream.on_socket.next() - 1) + " of " +
                   std::to_string(log.highest()) + " on socket " + std::to_string(number));
      }
      if (stream.snapshotting) report("snapshot", id, "never got its last snapshot frame");
    }
  }
}

void Client::finish() {
  for (auto& [number, conn] : conns_)
    for (auto& [id, stream] : conn.streams) end(stream, false);
  for (auto& [id, wish] : wishes_) {
    if (wish.log < 0 || wish.had.whole()) continue;
    const auto [from, to] = wish.had.hole();
    report("gap", id,
           run_.logs.at(static_cast<std::uint32_t>(wish.log)).name(from) + ".." + std::to_string(to) +
               " never reached the application on any socket");
  }
}

}  // namespace tocsin::checker
