// Tokens of a simulated client: shown, renewed on the open socket or not, thrown away when an edge takes none
// of it; and what the checker is told of the rows that each subscription shows.
#include <algorithm>

#include "tests/sim/client.h"

namespace tocsin::sim {
namespace {
constexpr std::int64_t kNearlyOver = 1'500;
constexpr std::int64_t kLongMs = 3'600'000;
}  // namespace

/// A token for a new socket. The one at hand will do when it lasts a while.
void SimClient::take_token(const ConnPtr& conn) {
  if (tokens_.subject.empty()) return;
  const std::int64_t now = world_.wall_ms();
  if (token_.text.empty() || token_.expires_ms - now < kNearlyOver) {
    const bool other = tokens_.other_rows && !healed_ && world_.chance.percent(40);
    const std::string& same = token_.tenants.empty() ? tokens_.tenants : token_.tenants;
    token_ = made_token(tokens_.subject, other ? any_tenants(world_.chance) : same, now,
                        healed_ ? kLongMs : tokens_.lasts_ms);
  }
  conn->token = token_;
  if (tokens_.in_head) conn->tcp->token = token_.text;
}

void SimClient::renew_in_time(const ConnPtr& conn) {
  if (tokens_.subject.empty() || tokens_.habit == TokenPlan::Habit::never) return;
  const std::int64_t left = conn->token.expires_ms - world_.wall_ms();
  const bool late = tokens_.habit == TokenPlan::Habit::late && world_.chance.percent(50);
  const std::int64_t wait = late ? left + static_cast<std::int64_t>(world_.chance.between(1, 1'500))
                                 : left * static_cast<std::int64_t>(world_.chance.between(40, 80)) / 100;
  world_.after(std::max<std::int64_t>(wait, 1), [this, conn] {
    if (!conn->over) renew(conn);
  });
}

/// `refresh`, to other rows only when it is plain which of them each `subscribed` after it is of.
void SimClient::renew(const ConnPtr& conn) {
  const bool plain = conn == now_ && open_.size() == 1 && conn->revising.empty() && subscribed();
  const bool other = tokens_.other_rows && !healed_ && plain && world_.chance.percent(50);
  const Token fresh = made_token(tokens_.subject, other ? any_tenants(world_.chance) : conn->token.tenants,
                                 world_.wall_ms(), healed_ ? kLongMs : tokens_.lasts_ms);
  if (fresh.tenants != conn->token.tenants)
    for (std::size_t i = 0; i < held_.size(); ++i) conn->revising.insert(i);
  conn->token = fresh;
  if (conn == now_) token_ = fresh;
  send(conn, R"({"type":"refresh","token":)" + json::quoted(fresh.text) + "}");
  renew_in_time(conn);
}

/// Called before a `subscribed` is recorded. While other rows were asked for and not answered yet, one that
/// does not say that it is for them may be of either.
void SimClient::tell_rows(const ConnPtr& conn, std::size_t index, std::string_view reason) {
  if (tokens_.subject.empty()) return;
  const bool either = conn->revising.erase(index) > 0 && reason != "filter_changed";
  recorder_.rows(name_, conn->number, held_[index].wanted.id,
                 either ? "null" : labels_of(conn->token.tenants));
}

bool SimClient::shows_token_before(std::int64_t wall_ms) const {
  return now_ && !now_->over && now_->token.issued_ms <= wall_ms;
}

}  // namespace tocsin::sim
