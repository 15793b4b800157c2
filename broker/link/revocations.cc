#include "broker/link/revocations.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "common/crypto/crypto.h"
#include "common/log/log.h"

namespace tocsin::broker {
namespace {

constexpr std::string_view kSetting = "revocations";
constexpr std::size_t kMaxName = 256;
constexpr std::size_t kMaxAtOnce = 1'000;  // of one message, either way
constexpr Millis kLook{1'000};

}  // namespace

Status Revocations::open() {
  list_ = random_() | 1U;
  auto stored = store_.setting(kSetting);
  if (!stored) return stored.error();
  if (*stored)
    if (auto ok = parse(**stored); !ok) return ok;
  next_ = last_ + 1;
  tick();
  return Done{};
}

Status Revocations::check(const Peer& from, const link::Revoke& message) const {
  if (!from.is_edge()) return Error{Errc::forbidden, "tokens are revoked through an edge"};
  if (message.revocations.empty() || message.revocations.size() > kMaxAtOnce)
    return Error{Errc::invalid_argument, "1 to " + std::to_string(kMaxAtOnce) + " at a time"};
  const auto max = static_cast<std::size_t>(config_.revocations_max);
  if (all_.size() + message.revocations.size() > max)
    return Error{Errc::too_many, "at most " + std::to_string(max) +
                                     " tokens and subjects are revoked at a time (auth.revocations_max); "
                                     "to end all tokens, change the key that signs them"};
  for (const auto& one : message.revocations)
    if (one.name.empty() || one.name.size() > kMaxName || one.until_ms <= clock_.wall_ms())
      return Error{Errc::invalid_argument, "a revocation has a name and an end in the future"};
  return Done{};
}

void Revocations::revoke(const Peer& from, const link::Revoke& message) {
  if (auto ok = check(from, message); !ok) {
    peers_.send(from.name, link::RevokeAnswer{message.ref, link::fault_of(ok.error())});
    return;
  }
  const std::uint64_t before = next_ - 1;
  List added = message.revocations;
  for (auto& one : added) one.number = next_++;
  all_.insert(all_.end(), added.begin(), added.end());
  sequencer_.gathering().settings.emplace_back(std::string(kSetting), text());
  sequencer_.after_commit(
      [this, peer = from.name, ref = message.ref, before, added = std::move(added)](const Status& status) {
        if (status)
          kept(added, before);
        else
          std::erase_if(all_, [&](const auto& one) {
            return one.number >= added.front().number && one.number <= added.back().number;
          });
        peers_.send(peer, link::RevokeAnswer{ref, status ? link::Fault{} : link::fault_of(status.error())});
      });
  sequencer_.flush();
}

void Revocations::kept(const List& added, std::uint64_t before) {
  last_ = added.back().number;
  metrics_.revocations.set(static_cast<std::int64_t>(all_.size()));
  for (const auto& one : added)
    log::info("revoked", {{"of", one.of == link::Revocation::Of::token ? "token" : "subject"},
                          {"name", one.name},
                          {"until_ms", one.until_ms}});
  // `before` may be a number that was never kept: who has all up to it has missed nothing.
  const link::Revocations news{list_, before, last_, added};
  for (const Peer* edge : peers_.edges()) peers_.send(edge->name, news);
}

void Revocations::asked(const Peer& edge, const link::RevocationsAsk& message) {
  send(edge.name, message.list == list_ ? message.after : 0);
}

void Revocations::send(const std::string& peer, std::uint64_t after) {
  link::Revocations page{list_, after, 0, {}};
  for (const auto& one : all_) {
    if (one.number <= after || one.number > last_) continue;
    page.revocations.push_back(one);
    if (page.revocations.size() < kMaxAtOnce) continue;
    page.last = one.number;
    peers_.send(peer, page);
    page = {list_, one.number, 0, {}};
  }
  page.last = last_;
  peers_.send(peer, page);
}

void Revocations::remind() {
  if (last_ == 0) return;
  for (const Peer* edge : peers_.edges()) peers_.send(edge->name, link::Revocations{list_, last_, last_, {}});
}

void Revocations::tick() {
  if (clock_.steady() < next_look_) return;
  next_look_ = clock_.steady() + kLook;
  const std::int64_t now = clock_.wall_ms();
  std::erase_if(all_, [&](const auto& one) { return one.until_ms <= now && one.number <= last_; });
  metrics_.revocations.set(static_cast<std::int64_t>(all_.size()));
}

/// "<list> <last>", then a line each.
std::string Revocations::text() const {
  std::string out = std::to_string(list_) + " " + std::to_string(next_ - 1) + "\n";
  for (const auto& one : all_)
    out.append(std::to_string(one.number))
        .append(one.of == link::Revocation::Of::token ? " t " : " s ")
        .append(std::to_string(one.before_ms))
        .append(" ")
        .append(std::to_string(one.until_ms))
        .append(" ")
        .append(crypto::base64url_encode(one.name))
        .append("\n");
  return out;
}

Status Revocations::parse(const std::string& text) {
  const Error broken{Errc::corrupt, "the revoked tokens cannot be read"};
  std::istringstream lines(text);
  if (!(lines >> list_ >> last_)) return broken;
  link::Revocation one;
  std::string of, name;
  while (lines >> one.number) {
    if (!(lines >> of >> one.before_ms >> one.until_ms >> name) || (of != "t" && of != "s")) return broken;
    auto bytes = crypto::base64url_decode(name);
    if (!bytes || one.number > last_) return broken;
    one.of = of == "t" ? link::Revocation::Of::token : link::Revocation::Of::subject;
    one.name = *std::move(bytes);
    all_.push_back(one);
  }
  return lines.eof() ? Status(Done{}) : Status(broken);
}

}  // namespace tocsin::broker
