#include "tests/sim/sockets.h"

#include <algorithm>
#include <utility>

#include "tests/support/proto_client.h"

namespace tocsin::sim {
namespace {

const Connection& of(edge::Socket socket) { return *static_cast<const Connection*>(socket); }

}  // namespace

void Sockets::send(const Connection& tcp, std::string json) {
  if (!tcp->client_open) return;
  if (tcp->proto) json = support::client_frame_bytes(json);
  tcp->last_up =
      std::max(tcp->last_up, world_.now() + static_cast<std::int64_t>(world_.chance.between(0, 20)));
  world_.after(tcp->last_up - world_.now(), [tcp, json = std::move(json)]() mutable {
    if (tcp->edge_open && !tcp->closing) tcp->message(std::move(json));
  });
}

void Sockets::set_reading(const Connection& tcp, bool reading) {
  tcp->reading = reading;
  if (reading) pump(tcp);
}

/// Spoils what an edge writes, frame by frame, as the fault says.
std::string Sockets::spoilt(std::string_view bytes) {
  std::string out;
  while (const auto frame = edge::ws::read(bytes)) {
    const std::string_view whole = bytes.substr(0, frame->size);
    bytes.remove_prefix(frame->size);
    const bool update = frame->payload.starts_with(R"({"type":"update")");
    const bool skip = frame->payload.starts_with(R"({"type":"skip")");
    const bool hit = world_.chance.percent(2);
    if (hit && ((update && fault_ == Fault::update_dropped) || (skip && fault_ == Fault::skip_dropped)))
      continue;
    if (hit && update && fault_ == Fault::skip_instead) {
      const auto sub = frame->payload.find("\"sub\":");
      const auto from = frame->payload.find("\"offset\":") + 9;
      const std::string offset(frame->payload.substr(from, frame->payload.find(',', from) - from));
      edge::ws::append_text(out,
                            R"({"type":"skip",)" +
                                std::string(frame->payload.substr(sub, frame->payload.find(',', sub) - sub)) +
                                R"(,"from":)" + offset + R"(,"to":)" + offset + "}");
      continue;
    }
    out.append(whole);
    if (hit && update && fault_ == Fault::update_repeated) out.append(whole);
  }
  return out;
}

edge::Sent Sockets::write(const Connection& tcp, std::string_view bytes) {
  if (!tcp->client_open) return edge::Sent::dead;
  if (fault_ == Fault::none)
    tcp->unread.append(bytes);
  else
    tcp->unread.append(spoilt(bytes));
  pump(tcp);
  if (fault_ == Fault::offer_cuts && bytes.find("migrating") != std::string_view::npos) cut(tcp);
  if (tcp->unread.size() < kBuffer) return edge::Sent::all;
  tcp->owed_writable = true;
  return edge::Sent::queued;
}

void Sockets::pump(const Connection& tcp) {
  if (!tcp->reading || tcp->unread.empty() || !tcp->client_open) return;
  tcp->last_down =
      std::max(tcp->last_down, world_.now() + static_cast<std::int64_t>(world_.chance.between(1, 20)));
  world_.after(tcp->last_down - world_.now(),
               [this, tcp, bytes = std::exchange(tcp->unread, {})] { arrive(tcp, bytes); });
  if (!std::exchange(tcp->owed_writable, false)) return;
  world_.after(1, [tcp] {
    if (tcp->edge_open) tcp->writable();
  });
}

void Sockets::arrive(const Connection& tcp, std::string_view bytes) {
  tcp->partial.append(bytes);
  std::size_t used = 0;
  while (tcp->client_open) {
    const auto frame = edge::ws::read(std::string_view(tcp->partial).substr(used));
    if (!frame) break;
    used += frame->size;
    deliver(tcp, *frame);
  }
  tcp->partial.erase(0, used);
}

void Sockets::deliver(const Connection& tcp, const edge::ws::View& frame) {
  if (frame.opcode == edge::ws::Opcode::text && !tcp->proto) return tcp->frame(frame.payload);
  if (frame.opcode == edge::ws::Opcode::binary && tcp->proto) {
    const auto json = support::server_frame_json(frame.payload);
    return tcp->frame(json ? *json : "not a ServerFrame");
  }
  if (frame.opcode != edge::ws::Opcode::ping) return;
  tcp->last_up = std::max(tcp->last_up, world_.now() + 3);
  world_.after(tcp->last_up - world_.now(), [tcp] {
    if (tcp->edge_open && !tcp->closing) tcp->pong();
  });
}

void Sockets::end(const Connection& tcp) {
  if (std::exchange(tcp->client_open, false)) tcp->gone();
  if (std::exchange(tcp->edge_open, false)) tcp->closed();
}

void Sockets::close(const Connection& tcp) {
  if (std::exchange(tcp->closing, true)) return;
  // What was written still arrives when the client reads; then both are done.
  const std::int64_t wait =
      std::max(tcp->last_down - world_.now(), std::int64_t{0}) + (tcp->unread.empty() ? 1 : 1'000);
  world_.after(wait, [this, tcp] { end(tcp); });
}

void Sockets::cut(const Connection& tcp) {
  if (!tcp->client_open) return;
  tcp->client_open = false;  // nothing more arrives
  world_.after(static_cast<std::int64_t>(world_.chance.between(0, 50)), [tcp] { tcp->gone(); });
  world_.after(static_cast<std::int64_t>(world_.chance.between(0, 3'000)), [tcp] {
    if (std::exchange(tcp->edge_open, false)) tcp->closed();
  });
}

void Sockets::edge_died(const Connection& tcp) {
  tcp->edge_open = false;
  if (!tcp->client_open) return;
  tcp->client_open = false;
  world_.after(static_cast<std::int64_t>(world_.chance.between(0, 30)), [tcp] { tcp->gone(); });
}

bool SimOutlet::busy(edge::Socket socket) const { return of(socket)->owed_writable; }
edge::Sent SimOutlet::write(edge::Socket socket, std::string_view frames) {
  return sockets_.write(of(socket), frames);
}
void SimOutlet::close(edge::Socket socket, CloseReason, std::string_view) { sockets_.close(of(socket)); }

}  // namespace tocsin::sim
