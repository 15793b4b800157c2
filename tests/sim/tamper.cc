#include "tests/sim/tamper.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "proto/link_message.h"

namespace tocsin::sim {
namespace {

constexpr Offset kLastShown = 20;  ///< by hide_tail()

/// Shows an edge the first epoch it ever saw of a channel, whatever the broker says.
Wires::Tamper forget_epochs() {
  auto first = std::make_shared<std::map<std::string, Epoch>>();
  return [first](std::string_view, std::string& bytes) {
    auto message = link::decode(bytes);
    if (!message) return true;
    const auto old = [&first](const std::string& channel, Epoch& epoch) {
      epoch = first->emplace(channel, epoch).first->second;
    };
    if (auto* ack = std::get_if<link::InterestAck>(&*message)) old(ack->head.channel, ack->head.epoch);
    if (auto* updates = std::get_if<link::Updates>(&*message)) old(updates->channel, updates->epoch);
    if (auto* read = std::get_if<link::ReadResult>(&*message)) old(read->head.channel, read->head.epoch);
    if (auto* beat = std::get_if<link::BrokerHeartbeat>(&*message))
      for (link::Head& head : beat->heads) old(head.channel, head.epoch);
    bytes = link::encode(*message);
    return true;
  };
}

/// In the answer to a read, each record but the first may be its predecessor once more.
Wires::Tamper spoil_repairs(Chance& chance) {
  return [&chance](std::string_view, std::string& bytes) {
    auto message = link::decode(bytes);
    if (!message) return true;
    auto* read = std::get_if<link::ReadResult>(&*message);
    if (read == nullptr) return true;
    for (std::size_t i = 1; i < read->records.size(); ++i)
      if (chance.percent(30)) read->records[i].bytes = read->records[i - 1].bytes;
    bytes = link::encode(*message);
    return true;
  };
}

/// From some update on, an edge gets no more of a channel, and heads stand still.
Wires::Tamper hide_tail() {
  return [](std::string_view, std::string& bytes) {
    auto message = link::decode(bytes);
    if (!message) return true;
    const auto hide = [](link::Head& head) { head.last = std::min(head.last, kLastShown); };
    if (auto* updates = std::get_if<link::Updates>(&*message))
      return !updates->records.empty() && updates->records.back().offset <= kLastShown;
    if (auto* ack = std::get_if<link::InterestAck>(&*message)) hide(ack->head);
    if (auto* beat = std::get_if<link::BrokerHeartbeat>(&*message))
      for (link::Head& head : beat->heads) hide(head);
    if (auto* read = std::get_if<link::ReadResult>(&*message)) {
      hide(read->head);
      std::erase_if(read->records, [](const Record& r) { return r.offset > kLastShown; });
    }
    bytes = link::encode(*message);
    return true;
  };
}

/// A session that is resumed is said to have had two updates more.
Wires::Tamper run_ahead() {
  return [](std::string_view, std::string& bytes) {
    auto message = link::decode(bytes);
    auto* state = message ? std::get_if<link::SessionState>(&*message) : nullptr;
    if (state == nullptr) return true;
    for (auto& sub : state->record.subs)
      if (sub.position.epoch != Epoch{}) sub.position.offset += 2;
    bytes = link::encode(*message);
    return true;
  };
}

/// Nobody learns that a session went elsewhere.
Wires::Tamper leave_claims_untold() {
  return [](std::string_view, std::string& bytes) {
    const auto message = link::decode(bytes);
    return !message || !std::holds_alternative<link::SessionFenced>(*message);
  };
}

/// What is told of revocations names nobody.
Wires::Tamper lose_revocations() {
  return [](std::string_view, std::string& bytes) {
    auto message = link::decode(bytes);
    auto* told = message ? std::get_if<link::Revocations>(&*message) : nullptr;
    if (told == nullptr) return true;
    told->revocations.clear();
    bytes = link::encode(*message);
    return true;
  };
}

}  // namespace

Wires::Tamper tamper_of(Fault fault, Chance& chance) {
  switch (fault) {
    case Fault::epoch_forgotten:
      return forget_epochs();
    case Fault::repair_dropped:
      return spoil_repairs(chance);
    case Fault::tail_hidden:
      return hide_tail();
    case Fault::record_ahead:
      return run_ahead();
    case Fault::revocations_lost:
      return lose_revocations();
    case Fault::claims_untold:
      return leave_claims_untold();
    default:
      return {};
  }
}

}  // namespace tocsin::sim
