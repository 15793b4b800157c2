#include "tests/sim/publisher.h"

#include <cstdlib>
#include <iostream>
#include <utility>

namespace tocsin::sim {
namespace {

constexpr std::int64_t kHeartbeatMs = 1'000;
constexpr std::int64_t kPatienceMs = 7'000;

/// Nothing of the attempt was kept, and trying again changes nothing (or, for a full disk, may work later).
bool refused(const std::string& code) {
  return code == "conflict" || code == "invalid_argument" || code == "too_large" || code == "disk_full";
}

}  // namespace

void EdgeSender::send(const Draft& draft, Done done) {
  const bool taken = pick_().publish(draft, [done](Result<std::vector<link::PublishOutcome>> answer) {
    if (!answer) return done(answer.error());
    done(answer->at(0));
  });
  if (!taken) done(Error{Errc::unavailable, "connection refused"});
}

LinkSender::LinkSender(World& world, Wires& wires, std::string name)
    : world_(world), wires_(wires), name_(std::move(name)) {
  wires_.attach(name_, {[this] { hello(); }, [this] { welcome_ = false; },
                        [this](const std::string& bytes) { received(bytes); }});
  beat();
}

/// A peer that says nothing for some seconds is forgotten by the broker.
void LinkSender::beat() {
  if (welcome_) wires_.send_up(name_, link::encode(link::EdgeHeartbeat{}));
  world_.after(kHeartbeatMs, [this] { beat(); });
}

void LinkSender::hello() {
  link::Hello hello;
  hello.role = "client";
  hello.id = name_;
  hello.instance = 1;
  wires_.send_up(name_, link::encode(hello));
}

void LinkSender::received(const std::string& bytes) {
  auto message = link::decode(bytes);
  if (!message) return;
  if (std::holds_alternative<link::Welcome>(*message)) {
    welcome_ = true;
  } else if (std::holds_alternative<link::Refused>(*message)) {
    welcome_ = false;
    hello();
  } else if (auto* result = std::get_if<link::PublishResult>(&*message)) {
    const auto it = open_.find(result->ref);
    if (it == open_.end() || result->outcomes.empty()) return;
    const Done done = std::move(it->second);
    open_.erase(it);
    done(result->outcomes.front());
  }
}

void LinkSender::send(const Draft& draft, Done done) {
  if (!welcome_) {
    hello();
    return done(Error{Errc::unavailable, "no welcome yet"});
  }
  link::Publish publish;
  publish.ref = ++ref_;
  publish.drafts.push_back(draft);
  open_.emplace(publish.ref, std::move(done));
  wires_.send_up(name_, link::encode(publish));
}

struct Publisher::One {
  std::string json;
  Draft draft;
  std::uint64_t attempt =
      0;  ///< its number: a late answer to an earlier one counts too, a late timer does not
  bool over = false;
  bool again = false;  ///< it was acknowledged once and is sent a second time, to be told the same
};

void Publisher::publish(const std::string& json) {
  auto one = std::make_shared<One>();
  one->json = json;
  auto draft = parse_draft(json, "", 1U << 20U);
  if (!draft) {
    std::cerr << "the simulation made a bad update: " << draft.error().detail << "\n";
    std::abort();
  }
  one->draft = *std::move(draft);
  ++open_;
  attempt(one);
}

void Publisher::attempt(const std::shared_ptr<One>& one) {
  const std::uint64_t number = ++one->attempt;
  recorder_.publishing(name_, one->json);
  world_.after(kPatienceMs, [this, one, number] {
    if (!one->over && one->attempt == number) attempt(one);
  });
  sender_.send(one->draft, [this, one, number](const Result<link::PublishOutcome>& answer) {
    // Answers come in their own turn, whoever gives them.
    world_.after(0, [this, one, number, answer] {
      if (!one->over && one->attempt == number) answered(one, answer);
    });
  });
}

void Publisher::answered(const std::shared_ptr<One>& one, const Result<link::PublishOutcome>& answer) {
  const std::string code = !answer ? std::string(describe(answer.error().code).name) : answer->fault.code;
  if (answer && code.empty()) {
    recorder_.acked(name_, one->draft.channel, one->draft.event_id, answer->position, answer->duplicate);
    if (!one->again && world_.chance.percent(5)) {
      one->again = true;
      return attempt(one);
    }
    one->over = true;
    --open_;
    return;
  }
  if (refused(code)) recorder_.refused(name_, one->draft.event_id, code);
  if (refused(code) && code != "disk_full") {
    one->over = true;
    --open_;
    return;
  }
  const std::uint64_t number = ++one->attempt;  // late answers of the attempt that failed are not waited for
  world_.after(static_cast<std::int64_t>(world_.chance.between(50, 400)), [this, one, number] {
    if (!one->over && one->attempt == number) attempt(one);
  });
}

}  // namespace tocsin::sim
