// Limits on sessions: who is counted, and what is answered to frames that are too many.
#include "edge/session/sessions.h"

namespace tocsin::edge {
namespace {

/// An honest client that sends too much learns it from the answers before that.
constexpr std::uint32_t kMaxOver = 100;

}  // namespace

bool Sessions::has_room(Client& client) {
  if (limits_ == nullptr) return true;
  const auto over = limits_->admit(client.slot);
  if (!over) return true;
  const bool full = over->limit == Limit::cluster_connections;
  close(client, full ? CloseReason::try_later : CloseReason::too_many, over->text,
        Millis{std::int64_t{over->retry_after_s} * 1'000});
  return false;
}

void Sessions::forbid(Client& client, ClientCommand& command, const Over& over) {
  if (auto* bye = std::get_if<Bye>(&command)) return on(client, *bye);
  std::string id;
  std::string ref;
  std::visit(
      [&](const auto& c) {
        if constexpr (requires { c.id; }) id = c.id;
        if constexpr (requires { c.ref; }) ref = c.ref;
      },
      command);
  refuse(client, {Errc::too_many, over.text}, id, ref);
  count_over(client);
}

void Sessions::count_over(Client& client) {
  if (++of(client).over_frames >= kMaxOver)
    close(client, CloseReason::too_many, "too many frames in a row were over a limit");
}

}  // namespace tocsin::edge
