#pragma once
// A Gateway without sessions: it stands where the real one is linked, so that edge/net is tested alone. It
// records what net tells it, and sends what a test queues: everything that waits, in batches, as the hub
// does.
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "edge/session/gateway.h"

namespace tocsin::edge {

struct FakeClient {
  Socket socket = nullptr;
  Opening opening;
  std::string queue;
  std::size_t sent = 0;
  bool blocked = false;
  int partial = 0;
  int pongs = 0;
};

struct GatewayScript {
  std::map<std::uint32_t, FakeClient> clients;
  std::vector<std::string> messages;
  std::vector<std::pair<CloseReason, std::string>> rejected;
  std::uint32_t opened = 0;
  std::uint32_t closed = 0;
  bool refuse = false;
  std::size_t batch = 65'536;
  Outlet* outlet = nullptr;

  FakeClient& only() { return clients.begin()->second; }
  void pass();
};

/// The script of the Gateway that is made next; one at a time.
GatewayScript& gateway_script();
void reset_gateway_script();

/// A server's frame: unmasked, FIN.
[[nodiscard]] std::string text_frame(std::string_view payload);

}  // namespace tocsin::edge
