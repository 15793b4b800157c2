#include "edge/session/ticket.h"

#include <algorithm>
#include <optional>

#include "common/crypto/crypto.h"
#include "common/json/json.h"

namespace tocsin::edge {
namespace {

/// What a key of the cluster has signed, as it was signed.
std::optional<std::string> payload_of(std::string_view text, std::span<const std::string> keys) {
  const auto dot = text.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  auto payload = crypto::base64url_decode(text.substr(0, dot));
  const auto mac = crypto::base64url_decode(text.substr(dot + 1));
  if (!payload || !mac) return std::nullopt;
  for (const auto& key : keys)
    if (!key.empty() && crypto::constant_time_equal(*mac, crypto::hmac_sha256(key, *payload)))
      return *std::move(payload);
  return std::nullopt;
}

std::optional<Ticket> ticket_of(const std::string& payload) {
  const auto doc = json::parse(payload);
  if (!doc) return std::nullopt;
  const auto session = json::string_member(*doc, "s");
  const auto subject = json::string_member(*doc, "u");
  const auto fence = json::uint_member(*doc, "f");
  const auto expires = json::uint_member(*doc, "x");
  if (!session || !*session || !subject || !fence || !*fence || !expires || !*expires) return std::nullopt;
  if (!is_session_id(**session)) return std::nullopt;
  return Ticket{std::string(**session), std::string(subject->value_or("")), **fence,
                static_cast<std::int64_t>(**expires)};
}

}  // namespace

std::string_view name_of(TicketFault fault) noexcept {
  switch (fault) {
    case TicketFault::expired:
      return "expired";
    case TicketFault::foreign:
      return "foreign";
    case TicketFault::reused:
      return "reused";
    case TicketFault::forged:
      break;
  }
  return "forged";
}

std::string_view text_of(TicketFault fault) noexcept {
  switch (fault) {
    case TicketFault::expired:
      return "the ticket has expired";
    case TicketFault::foreign:
      return "the ticket is another session's or another subject's";
    case TicketFault::reused:
      return "the ticket was used before, another socket took the session over";
    case TicketFault::forged:
      break;
  }
  return "the ticket is not one of this cluster's, or it is spoiled";
}

std::string sign(const Ticket& ticket, std::string_view key) {
  if (key.empty()) return {};
  std::string payload = "{\"s\":";
  json::append_quoted(payload, ticket.session);
  if (!ticket.subject.empty()) json::append_quoted(payload.append(",\"u\":"), ticket.subject);
  payload.append(",\"f\":")
      .append(std::to_string(ticket.fence))
      .append(",\"x\":")
      .append(std::to_string(ticket.expires_ms))
      .append("}");
  return crypto::base64url_encode(payload) + "." +
         crypto::base64url_encode(crypto::hmac_sha256(key, payload));
}

std::variant<Ticket, TicketFault> verify(std::string_view text, std::span<const std::string> keys,
                                         const TicketHolder& holder, std::int64_t now_ms) {
  const auto payload = payload_of(text, keys);
  auto ticket = payload ? ticket_of(*payload) : std::nullopt;
  if (!ticket) return TicketFault::forged;
  if (ticket->expires_ms <= now_ms) return TicketFault::expired;
  if (!holder.session.empty() && holder.session != ticket->session) return TicketFault::foreign;
  if (holder.subject != ticket->subject) return TicketFault::foreign;
  return *std::move(ticket);
}

bool is_session_id(std::string_view text) noexcept {
  return text.size() == 32 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

}  // namespace tocsin::edge
