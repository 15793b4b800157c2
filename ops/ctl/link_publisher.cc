#include "ops/ctl/link_publisher.h"

#include <unistd.h>

#include "common/crypto/crypto.h"
#include "common/version.h"

namespace tocsin::ops {
namespace {
constexpr Millis kTick{100};
constexpr int kSilentHeartbeats = 5;
}  // namespace

LinkPublisher::LinkPublisher(loop::Loop& loop, const Clock& clock, const Options& options, Events events)
    : clock_(clock),
      events_(std::move(events)),
      window_(options.window),
      instance_(crypto::random_u64()),
      id_("ctl-" + crypto::random_hex(12)),
      timer_(loop),
      turn_(loop, [this] { pump(); }) {}

Result<std::unique_ptr<LinkPublisher>> LinkPublisher::connect(mq::Context& context, loop::Loop& loop,
                                                              const Clock& clock, const Options& options,
                                                              Events events) {
  std::unique_ptr<LinkPublisher> self(new LinkPublisher(loop, clock, options, std::move(events)));
  LinkPublisher* const p = self.get();
  auto dealer = mq::Dealer::connect(
      context, {.endpoint = options.endpoint, .identity = p->id_, .security = options.security},
      {.on_connected = [p] { p->connected_ = true, p->hello(); },
       .on_disconnected = [p] { p->connected_ = false, p->lost("the connection broke"); },
       .on_refused =
           [p](std::string_view why) {
             p->events_.on_refused(
                 Error{Errc::forbidden, "the broker refused the connection: " + std::string(why)});
           },
       .on_message = [p](std::string_view bytes) { p->on_bytes(bytes); }});
  if (!dealer) return dealer.error();
  p->dealer_ = *std::move(dealer);
  p->timer_.start(kTick, kTick, [p] { p->tick(); });
  return self;
}

bool LinkPublisher::publish(Draft& draft) {
  if (window_.full()) {
    waits_for_room_ = true;
    return false;
  }
  window_.add(std::move(draft));
  turn_.request();  // sent at the end of the turn: what is published together travels together
  return true;
}

void LinkPublisher::hello() {
  link::Hello hello;
  hello.role = "client";
  hello.id = id_;
  hello.instance = instance_;
  hello.revision = version();
  said_ = heard_ = clock_.steady();
  static_cast<void>(dealer_->send(link::encode(hello)));
}

void LinkPublisher::on_bytes(std::string_view bytes) {
  auto message = link::decode(bytes);
  if (!message) return;  // a newer broker may say more than we know
  heard_ = clock_.steady();
  if (auto* result = std::get_if<link::PublishResult>(&*message)) {
    auto outcomes = window_.on_result(std::move(*result), heard_);
    if (!outcomes.empty()) events_.on_outcomes(std::move(outcomes));
    turn_.request();
  } else if (const auto* welcome = std::get_if<link::Welcome>(&*message)) {
    on_welcome(*welcome);
  } else if (const auto* refused = std::get_if<link::Refused>(&*message)) {
    const Error error = link::error_of(refused->fault);
    if (describe(error.code).retry == Retry::never) return events_.on_refused(error);
    // A broker that was restarted behind a connection that survived does not know us.
    if (welcome_) lost("the broker is a new one");
    hello();
  }
}

void LinkPublisher::on_welcome(const link::Welcome& welcome) {
  welcome_ = true;
  heartbeat_every_ = Millis{welcome.heartbeat_ms};
  window_.set_window(welcome.publish_window);
  unsent_.reset();
  window_.on_reconnected();
  events_.on_connection(Connection::welcome, welcome.cluster);
  turn_.request();
}

void LinkPublisher::lost(const std::string& why) {
  if (!welcome_) return;
  welcome_ = false;
  events_.on_connection(Connection::lost, why);
}

void LinkPublisher::pump() {
  if (!welcome_) return;
  const Instant now = clock_.steady();
  for (;;) {
    if (!unsent_) unsent_ = window_.next(now);
    if (!unsent_ || !dealer_->send(link::encode(*unsent_))) break;
    unsent_.reset();
  }
  if (waits_for_room_ && !window_.full()) {
    waits_for_room_ = false;
    events_.on_room();
  }
}

void LinkPublisher::tick() {
  const Instant now = clock_.steady();
  if (connected_ && now - said_ >= heartbeat_every_) {
    said_ = now;
    if (welcome_)
      static_cast<void>(dealer_->send(link::encode(link::EdgeHeartbeat{++heartbeat_, 0, 0, "publishing"})));
    else
      hello();
  }
  if (welcome_ && now - heard_ > heartbeat_every_ * kSilentHeartbeats) {
    lost("the broker is silent");
    hello();
  }
  pump();
}

}  // namespace tocsin::ops
