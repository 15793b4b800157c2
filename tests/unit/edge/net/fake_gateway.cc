#include "tests/unit/edge/net/fake_gateway.h"

#include <algorithm>

namespace tocsin::edge {
namespace {
GatewayScript script;
}

GatewayScript& gateway_script() { return script; }
void reset_gateway_script() { script = {}; }

std::string text_frame(std::string_view payload) {
  std::string out = "\x81";
  if (payload.size() < 126) {
    out.push_back(static_cast<char>(payload.size()));
  } else {
    out.push_back(126);
    out.push_back(static_cast<char>(payload.size() >> 8));
    out.push_back(static_cast<char>(payload.size() & 255));
  }
  return out.append(payload);
}

void GatewayScript::pass() {
  for (auto& [id, client] : clients) {
    while (!client.blocked && client.sent < client.queue.size()) {
      if (outlet->busy(client.socket)) {
        client.blocked = true;
        break;
      }
      const std::string_view rest = std::string_view(client.queue).substr(client.sent, batch);
      const Sent sent = outlet->write(client.socket, rest);
      if (sent == Sent::dead) break;
      client.sent += rest.size();
      client.blocked = sent == Sent::queued;
      client.partial += client.blocked ? 1 : 0;
    }
  }
}

struct Gateway::State {};

Gateway::Gateway(const Config&, const Clock&, BrokerPort&, Outlet& outlet, Random, Metrics&) {
  script.outlet = &outlet;
}
Gateway::~Gateway() = default;

Result<ClientId> Gateway::open(Socket socket, const Opening& opening) {
  if (script.refuse) return Error{Errc::overloaded, "full"};
  const std::uint32_t id = ++script.opened;
  script.clients[id] = FakeClient{socket, opening, {}, 0, false, 0, 0};
  return ClientId{id};
}
void Gateway::message(ClientId, std::string_view bytes) { script.messages.emplace_back(bytes); }
void Gateway::reject(ClientId id, CloseReason reason, std::string_view detail) {
  script.rejected.emplace_back(reason, detail);
  script.outlet->close(script.clients.at(static_cast<std::uint32_t>(id)).socket, reason, detail);
}
void Gateway::pong(ClientId id) { ++script.clients.at(static_cast<std::uint32_t>(id)).pongs; }
void Gateway::writable(ClientId id) { script.clients.at(static_cast<std::uint32_t>(id)).blocked = false; }
void Gateway::closed(ClientId id) {
  ++script.closed;
  script.clients.erase(static_cast<std::uint32_t>(id));
}
bool Gateway::turn() {
  script.pass();
  return false;
}
void Gateway::tick() {}
void Gateway::close_all(CloseReason reason) {
  for (auto& [id, client] : script.clients) script.outlet->close(client.socket, reason, {});
}
std::size_t Gateway::clients() const noexcept { return script.clients.size(); }

}  // namespace tocsin::edge
