#include "tests/sim/client.h"

#include <algorithm>
#include <utility>

namespace tocsin::sim {
namespace {

std::string text_of(const json::Value& frame, std::string_view name) {
  const json::Value* v = json::find(frame, name);
  return v != nullptr && v->IsString() ? std::string(json::view(*v)) : std::string();
}
std::uint64_t number_of(const json::Value& frame, std::string_view name) {
  const json::Value* v = json::find(frame, name);
  return v != nullptr && v->IsUint64() ? v->GetUint64() : 0;
}

}  // namespace

std::string SimClient::Held::position() const {
  return R"({"epoch":")" + epoch + R"(","offset":)" + std::to_string(had.next() - 1) + "}";
}

SimClient::SimClient(World& world, Sockets& sockets, Recorder& recorder, const ClientPlan& plan, Dial dial)
    : world_(world),
      sockets_(sockets),
      recorder_(recorder),
      name_(plan.name),
      by_ticket_(plan.by_ticket),
      proto_(plan.proto),
      follows_(plan.follows && plan.by_ticket),
      trusts_(plan.trusts),
      tokens_(plan.tokens),
      dial_(std::move(dial)) {
  for (const Wanted& w : plan.wanted) held_.emplace_back().wanted = w;
}

void SimClient::retry(std::int64_t ms) {
  if (std::exchange(retrying_, true)) return;
  world_.after(ms, [this] {
    retrying_ = false;
    connect();
  });
}

void SimClient::connect(const std::string& endpoint) {
  auto conn = std::make_shared<Conn>();
  conn->number = ++conns_;
  conn->tcp = std::make_shared<Tcp>();
  conn->tcp->proto = proto_;
  const std::weak_ptr<Conn> weak = conn;
  conn->tcp->frame = [this, weak](std::string_view text) {
    if (const auto held = weak.lock()) on_frame(held, text);
  };
  conn->tcp->gone = [this, weak] {
    if (const auto held = weak.lock()) on_gone(held);
  };
  take_token(conn);
  if (!dial_(conn->tcp, endpoint)) return retry(150);
  recorder_.socket(name_, conn->number, "open");
  now_ = conn;
  open_.push_back(conn);
  renew_in_time(conn);
  const std::string token = conn->token.text.empty() || tokens_.in_head
                                ? std::string()
                                : R"(,"token":)" + json::quoted(conn->token.text);
  if (by_ticket_ && !ticket_.empty()) {
    conn->resuming = true;
    std::string since;
    for (const Held& held : held_)
      if (!held.epoch.empty() && !trusts_)
        since += (since.empty() ? "" : ",") + json::quoted(held.wanted.id) + ":" + held.position();
    return send(conn, R"({"type":"connect","ticket":)" + json::quoted(ticket_) + token + R"(,"since":{)" +
                          since + "}}");
  }
  if (!token.empty()) send(conn, R"({"type":"connect")" + token + "}");
  for (std::size_t i = 0; i < held_.size(); ++i) subscribe(conn, i);
}

void SimClient::send(const ConnPtr& conn, const std::string& frame) {
  if (conn->over) return;
  recorder_.sent(name_, conn->number, frame);
  sockets_.send(conn->tcp, frame);
}

void SimClient::subscribe(const ConnPtr& conn, std::size_t index) {
  const Held& held = held_[index];
  std::string frame = R"({"type":"subscribe","id":)" + json::quoted(held.wanted.id) + R"(,"channel":)" +
                      json::quoted(held.wanted.channel) + R"(,"filter":)" + held.wanted.filter +
                      held.wanted.options;
  if (!held.epoch.empty())
    frame += R"(,"since":)" + held.position();
  else if (held.wanted.snapshot)
    frame += R"(,"snapshot":true)";
  send(conn, frame + "}");
}

bool SimClient::has(const Conn& conn, std::size_t index) const {
  return std::any_of(conn.subs.begin(), conn.subs.end(),
                     [index](const auto& s) { return s.second == index; });
}

void SimClient::subscribe_missing(const ConnPtr& conn) {
  for (std::size_t i = 0; i < held_.size(); ++i)
    if (!has(*conn, i)) subscribe(conn, i);
}

void SimClient::on_frame(const ConnPtr& conn, std::string_view text) {
  if (conn->over) return;
  const auto doc = json::parse(text);
  const std::string type = doc ? text_of(*doc, "type") : std::string();
  if (type == "subscribed")
    for (std::size_t i = 0; i < held_.size(); ++i)
      if (held_[i].wanted.id == text_of(*doc, "id")) tell_rows(conn, i, text_of(*doc, "reason"));
  recorder_.received(name_, conn->number, text);
  if (!doc) return;
  if (type == "update") return on_update(conn, *doc);
  if (type == "snapshot") return on_snapshot(conn, *doc);
  if (type == "subscribed") return on_subscribed(conn, *doc);
  if (type == "welcome") return on_welcome(conn, *doc);
  if (type == "status") return on_status(conn, *doc);
  if (const auto ticket = text_of(*doc, "ticket"); !ticket.empty()) ticket_ = ticket;
  if (type == "closing" && number_of(*doc, "code") == 4401) token_.text.clear();
  if (type == "skip") {
    if (const auto sub = conn->subs.find(number_of(*doc, "sub")); sub != conn->subs.end())
      held_[sub->second].had.add(number_of(*doc, "from"), number_of(*doc, "to"));
  } else if (type == "error") {
    const std::string id = text_of(*doc, "id");
    for (std::size_t i = 0; i < held_.size(); ++i)
      if (held_[i].wanted.id == id) {
        std::erase_if(conn->subs, [i](const auto& s) { return s.second == i; });
        world_.after(500, [this, conn, i] {
          if (!conn->over && !has(*conn, i)) subscribe(conn, i);
        });
      }
  }
}

/// Make before break: the new socket first; the old one goes with its bye (on_welcome).
void SimClient::on_status(const ConnPtr& conn, const json::Value& frame) {
  const json::Value* details = json::find(frame, "details");
  if (!follows_ || conn != now_ || text_of(frame, "status") != "migrating" || details == nullptr) return;
  ticket_ = text_of(*details, "resume_token");
  conn->offered = true;
  world_.after(static_cast<std::int64_t>(number_of(*details, "reconnect_after")),
               [this, conn, endpoint = text_of(*details, "new_endpoint")] {
                 if (!conn->over && conn == now_) connect(endpoint);
               });
}

void SimClient::on_welcome(const ConnPtr& conn, const json::Value& frame) {
  if (const auto ticket = text_of(frame, "ticket"); !ticket.empty()) ticket_ = ticket;
  const json::Value* resumed = json::find(frame, "resumed");
  const bool came_back = resumed != nullptr && resumed->IsTrue();
  if (!conn->resuming) return;
  for (const ConnPtr& old : open_)
    if (old != conn && old->offered) send(old, R"({"type":"bye","duplicates":1})");
  world_.after(came_back ? 15'000 : 0, [this, conn] {
    if (!conn->over && conn == now_) subscribe_missing(conn);
  });
}

void SimClient::on_subscribed(const ConnPtr& conn, const json::Value& frame) {
  const std::string id = text_of(frame, "id");
  for (std::size_t i = 0; i < held_.size(); ++i) {
    Held& held = held_[i];
    if (held.wanted.id != id) continue;
    std::erase_if(conn->subs, [i](const auto& s) { return s.second == i; });
    conn->subs[number_of(frame, "sub")] = i;
    const json::Value* position = json::find(frame, "position");
    if (position == nullptr) return;
    const std::string epoch = text_of(*position, "epoch");
    const std::string outcome = text_of(frame, "outcome");
    held.arriving_on = 0;
    if (outcome == "resumed" && held.epoch == epoch) return;
    held.epoch = epoch;
    if (outcome == "snapshot" || (outcome == "live" && held.wanted.snapshot)) {
      held.arriving = std::exchange(held.epoch, {});
      held.arriving_on = conn->number;
    }
    held.had = checker::Coverage(number_of(*position, "offset") + 1);
  }
}

void SimClient::on_update(const ConnPtr& conn, const json::Value& frame) {
  const auto sub = conn->subs.find(number_of(frame, "sub"));
  if (sub == conn->subs.end()) return;
  auto& had = held_[sub->second].had;
  had.add(number_of(frame, "offset"), number_of(frame, "offset"));
  if (const json::Value* replaces = json::find(frame, "replaces"); replaces != nullptr && replaces->IsArray())
    for (const auto& old : replaces->GetArray())
      if (old.IsUint64()) had.add(old.GetUint64(), old.GetUint64());
}

/// The position of a snapshot is the client's own once it has all of it.
void SimClient::on_snapshot(const ConnPtr& conn, const json::Value& frame) {
  const json::Value* last = json::find(frame, "last");
  const auto sub = conn->subs.find(number_of(frame, "sub"));
  if (last == nullptr || !last->IsTrue() || sub == conn->subs.end()) return;
  Held& held = held_[sub->second];
  if (held.arriving_on != conn->number) return;
  held.arriving_on = 0;
  held.epoch = std::exchange(held.arriving, {});
}

void SimClient::on_gone(const ConnPtr& conn) {
  std::erase(open_, conn);
  if (std::exchange(conn->over, true)) return;
  recorder_.socket(name_, conn->number, "close");
  if (open_.empty()) ++blackouts_;
  if (conn == now_) retry(static_cast<std::int64_t>(world_.chance.between(5, 700)));
}

void SimClient::cut() {
  if (now_ && !now_->over) sockets_.cut(now_->tcp);
}

void SimClient::stall(std::int64_t ms) {
  if (!now_ || now_->over) return;
  sockets_.set_reading(now_->tcp, false);
  world_.after(ms, [this, tcp = now_->tcp] { sockets_.set_reading(tcp, true); });
}

void SimClient::move() {
  if (now_ && !now_->over && by_ticket_ && !ticket_.empty()) connect();
}

void SimClient::forget() {
  if (!now_ || now_->over) return;
  recorder_.socket(name_, now_->number, "forget");
  for (const ConnPtr& conn : std::exchange(open_, {})) {
    conn->over = true;
    sockets_.cut(conn->tcp);
  }
  ticket_.clear();
  token_.text.clear();
  for (Held& held : held_) {
    held.epoch.clear();
    held.arriving_on = 0;
    held.had = checker::Coverage();
  }
  retry(200);
}

void SimClient::resubscribe(std::size_t index) {
  index %= held_.size();
  if (!now_ || now_->over || !has(*now_, index) || !now_->revising.empty()) return;
  send(now_, R"({"type":"unsubscribe","id":)" + json::quoted(held_[index].wanted.id) + "}");
  std::erase_if(now_->subs, [index](const auto& s) { return s.second == index; });
  world_.after(static_cast<std::int64_t>(world_.chance.between(0, 300)), [this, conn = now_, index] {
    if (!conn->over) subscribe(conn, index);
  });
}

void SimClient::heal() {
  healed_ = true;
  if (now_ && !now_->over) sockets_.set_reading(now_->tcp, true);
}

bool SimClient::subscribed() const {
  if (!now_ || now_->over) return false;
  for (std::size_t i = 0; i < held_.size(); ++i)
    if (!has(*now_, i)) return false;
  return true;
}

}  // namespace tocsin::sim
