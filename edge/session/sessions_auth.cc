// Tokens of clients: who speaks on a socket, what that permits, and what happens when a token runs out.
//
//   unknown --(token)--> admitted --(it expires)--> paused --(refresh)--> admitted
//      |                                              '--(auth.grace_ms; SSE: at once)--> closed 4401
//      '--(a frame without a token, a bad one, or none in time)--> closed 4401
//
// While no token is asked for there is none of this: every client is nobody, and may do everything.
#include <algorithm>
#include <utility>

#include "common/log/audit.h"
#include "edge/session/sessions.h"

namespace tocsin::edge {

namespace {
/// A token whose key cannot be known at the moment is not a bad one.
CloseReason reason_of(const Error& error) {
  return error.code == Errc::unavailable ? CloseReason::try_later : CloseReason::unauthenticated;
}
}  // namespace

void Sessions::guard(Gate& gate) noexcept { gate_ = gate.open() ? nullptr : &gate; }

std::string_view Sessions::subject_of(const Client& client) const noexcept {
  if (gate_ == nullptr || client.slot >= access_.size() || !access_[client.slot].principal) return {};
  return access_[client.slot].principal->subject;
}

const Constraints& Sessions::rows_of(const Client& client) const noexcept {
  static const Constraints kAll;
  if (gate_ == nullptr || client.slot >= access_.size() || !access_[client.slot].principal) return kAll;
  return access_[client.slot].principal->rows;
}

void Sessions::forget_access(const Client& client) {
  if (client.slot < access_.size()) access_[client.slot] = {};
}

void Sessions::admit(Client& client, Gate::Holder principal) {
  if (access_.size() <= client.slot) access_.resize(client.slot + 1);
  Access& access = access_[client.slot];
  // Told in wall time, waited for in steady time: a clock that is set lets nobody stay or go.
  const Millis left{principal->expires_ms - clock_.wall_ms()};
  access.due = clock_.steady() + std::max(left, Millis{0});
  if (limits_ != nullptr) limits_->introduce(client.slot, principal->subject, principal->tenant);
  access.principal = std::move(principal);
  if (std::exchange(access.paused, false)) hub_.resume(client);
  audit(client, "authenticate", Done{});
}

bool Sessions::introduced(Client& client, std::string_view token) {
  if (gate_ == nullptr) return true;
  const bool known = client.slot < access_.size() && access_[client.slot].principal != nullptr;
  if (known && token.empty()) return true;
  auto principal = gate_->admit(token);
  if (principal) return admit(client, *std::move(principal)), true;
  if (limits_ != nullptr && principal.error().code == Errc::unauthorized)
    limits_->offend(limits_->address_of(client.slot), "no good token");
  audit(client, "authenticate", principal.error());
  close(client, reason_of(principal.error()), principal.error().detail);
  return false;
}

void Sessions::turn_away(Client& client, Error error) {
  audit(client, "authenticate", error);
  hub_.pause(client);
  turned_away_.push_back({client.slot, client.serial, std::move(error)});
}

void Sessions::close_turned_away() {
  for (const auto& away : std::exchange(turned_away_, {}))
    if (Client* client = find(away.slot, away.serial))
      close(*client, reason_of(away.error), away.error.detail);
}

void Sessions::audit(const Client& client, std::string_view action, const Status& outcome,
                     std::string_view what) const {
  if (outcome && !log::audits_all()) return;
  log::audit({.action = action,
              .outcome = outcome ? "ok" : describe(outcome.error().code).name,
              .who = subject_of(client),
              .from = sessions_[client.slot].from,
              .what = what,
              .why = outcome ? std::string_view() : std::string_view(outcome.error().detail)});
}

Status Sessions::may(const Client& client, auth::Action action, std::string_view channel) const {
  if (gate_ == nullptr) return Done{};
  const Access* access = client.slot < access_.size() ? &access_[client.slot] : nullptr;
  if (access == nullptr || !access->principal) return Error{Errc::unauthorized, "a token is required"};
  if (access->paused) return Error{Errc::unauthorized, "the token has expired"};
  if (!access->principal->permissions.allow(action, channel)) return gate_->forbidden(action, channel);
  return Done{};
}

void Sessions::on(Client& client, Refresh& command) {
  if (command.token.empty()) return refuse(client, {Errc::invalid_argument, "\"token\" is required"}, {}, {});
  if (gate_ == nullptr) return;
  auto principal = gate_->admit(command.token);
  if (!principal) {
    audit(client, "refresh", principal.error());
    return close(client, reason_of(principal.error()), principal.error().detail);
  }
  if ((*principal)->subject != subject_of(client))
    return close(client, CloseReason::unauthenticated, "a session is refreshed by its own subject only");
  regard(client, *std::move(principal));
}

void Sessions::regard(Client& client, Gate::Holder principal) {
  const Constraints before = rows_of(client);
  admit(client, std::move(principal));
  const bool other_rows = before != rows_of(client);
  std::vector<std::pair<std::string, std::string>> gone;  // the new token may permit less
  for (const auto& sub : client.subs)
    if (const auto& channel = sub->feed->name;
        !access_[client.slot].principal->permissions.allow(auth::Action::subscribe, channel))
      gone.emplace_back(sub->id, channel);
  for (const auto& [id, channel] : gone) {
    (void)hub_.unsubscribe(client, id);
    refuse(client, gate_->forbidden(auth::Action::subscribe, channel), id, {});
  }
  // What was made by the old token's right and is not out yet stays here; then no stream is whole any more.
  if (other_rows || (!gone.empty() && Hub::drop_waiting(client))) hub_.revise(client, rows_of(client));
}

/// Who is paused shows another token, or goes.
void Sessions::regard_again() {
  for (std::uint32_t slot = 0; slot < access_.size(); ++slot) {
    if (!access_[slot].principal || access_[slot].paused) continue;
    Client* client = hub_.client(slot);
    if (client == nullptr || of(*client).phase == Phase::closing) continue;
    auto principal = gate_->again(*access_[slot].principal);
    if (principal) {
      regard(*client, *std::move(principal));
      continue;
    }
    audit(*client, "close", principal.error());
    hub_.pause(*client);
    close(*client, CloseReason::unauthenticated, principal.error().detail);
  }
}

void Sessions::drop_revoked() {
  for (std::uint32_t slot = 0; slot < access_.size(); ++slot) {
    if (!access_[slot].principal) continue;
    Client* client = hub_.client(slot);
    if (client == nullptr || of(*client).phase == Phase::closing) continue;
    const auto good = gate_->still_good(*access_[slot].principal);
    if (good) continue;
    audit(*client, "close", good);
    hub_.pause(*client);  // what waits for it stays here
    close(*client, CloseReason::unauthenticated, good.error().detail);
  }
}

/// Each tick, of all clients: nothing is delivered a second after its token's end.
void Sessions::expire() {
  const auto now = clock_.steady();
  for (std::uint32_t slot = 0; slot < access_.size(); ++slot) {
    Access& access = access_[slot];
    if (!access.principal || now < access.due) continue;
    Client* client = hub_.client(slot);
    if (client == nullptr || of(*client).phase == Phase::closing) continue;
    if (access.paused || client->encoding.door == Door::sse) {
      close(*client, CloseReason::unauthenticated, "the token has expired");
      continue;
    }
    access.paused = true;
    access.due = now + config_.auth_grace;
    hub_.pause(*client);
  }
}

}  // namespace tocsin::edge
