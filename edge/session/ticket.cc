#include "edge/session/ticket.h"

#include <algorithm>

#include "common/crypto/crypto.h"
#include "common/json/json.h"

namespace tocsin::edge {

std::string sign(const Ticket& ticket, std::string_view key) {
  if (key.empty()) return {};
  std::string payload = "{\"s\":";
  json::append_quoted(payload, ticket.session);
  payload.append(",\"f\":")
      .append(std::to_string(ticket.fence))
      .append(",\"x\":")
      .append(std::to_string(ticket.expires_ms))
      .append("}");
  return crypto::base64url_encode(payload) + "." +
         crypto::base64url_encode(crypto::hmac_sha256(key, payload));
}

Result<Ticket> verify(std::string_view text, std::string_view key, std::int64_t now_ms) {
  const Error refused{Errc::unauthorized, "the ticket is not one of this cluster's, or it is spoiled"};
  const auto dot = text.find('.');
  if (key.empty() || dot == std::string_view::npos) return refused;
  const auto payload = crypto::base64url_decode(text.substr(0, dot));
  const auto mac = crypto::base64url_decode(text.substr(dot + 1));
  if (!payload || !mac || !crypto::constant_time_equal(*mac, crypto::hmac_sha256(key, *payload)))
    return refused;
  const auto doc = json::parse(*payload);
  if (!doc) return refused;
  const auto session = json::string_member(*doc, "s");
  const auto fence = json::uint_member(*doc, "f");
  const auto expires = json::uint_member(*doc, "x");
  if (!session || !*session || !fence || !*fence || !expires || !*expires) return refused;
  if (!is_session_id(**session)) return refused;
  const Ticket ticket{std::string(**session), **fence, static_cast<std::int64_t>(**expires)};
  if (ticket.expires_ms <= now_ms) return Error{Errc::unauthorized, "the ticket has expired"};
  return ticket;
}

bool is_session_id(std::string_view text) noexcept {
  return text.size() == 32 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

}  // namespace tocsin::edge
