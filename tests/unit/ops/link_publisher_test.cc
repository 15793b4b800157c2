#include "ops/ctl/link_publisher.h"

#include <doctest/doctest.h>

#include <set>

#include "common/mq/router.h"

namespace tocsin::ops {
namespace {

/// A broker that answers what it is told to, over a real socket.
class FakeBroker {
 public:
  FakeBroker(mq::Context& context, const std::string& endpoint) {
    const auto on_bytes = [this](std::string_view peer, std::string_view bytes, std::string_view) {
      const auto message = link::decode(bytes);
      if (message) on_message(std::string(peer), *message);
    };
    auto router = mq::Router::bind(context, {.endpoint = endpoint}, on_bytes);
    // ZeroMQ lets go of a closed socket's port a moment later, in its own thread.
    while (!router && router.error().code == Errc::io)
      router = mq::Router::bind(context, {.endpoint = endpoint}, on_bytes);
    REQUIRE(router);
    router_ = *std::move(router);
  }
  [[nodiscard]] const std::string& endpoint() const { return router_->endpoint(); }

  bool answers = true;
  std::vector<std::string> received;  ///< event_ids

 private:
  void on_message(const std::string& peer, const link::Message& message) {
    if (std::holds_alternative<link::Hello>(message)) {
      link::Welcome welcome;
      welcome.cluster = "test";
      welcome.publish_window = 1000;
      send(peer, welcome);
    } else if (const auto* publish = std::get_if<link::Publish>(&message)) {
      link::PublishResult result{publish->ref, {}};
      for (const Draft& draft : publish->drafts) {
        received.push_back(draft.event_id);
        result.outcomes.emplace_back();
      }
      if (answers) send(peer, result);
    }
  }
  void send(const std::string& peer, const link::Message& message) {
    router_->send(peer, std::make_shared<const std::string>(link::encode(message)));
  }
  std::unique_ptr<mq::Router> router_;
};

Draft numbered(int i) {
  Draft draft;
  draft.channel = "c";
  draft.event_id = std::to_string(i);
  return draft;
}

TEST_CASE("what a dying broker had not answered goes to the next one, in order, and is answered once") {
  constexpr int kCount = 500;
  loop::Loop loop;
  SystemClock clock;
  mq::Context context(loop);
  auto broker = std::make_unique<FakeBroker>(context, "tcp://127.0.0.1:*");
  const std::string endpoint = broker->endpoint();
  broker->answers = false;

  std::multiset<std::uint64_t> answered;
  auto publisher = LinkPublisher::connect(
      context, loop, clock, {.endpoint = endpoint, .security = {}, .window = {.batch = 64, .waiting = 1000}},
      {.on_outcomes =
           [&](std::vector<PublishWindow::Outcome> outcomes) {
             for (const auto& one : outcomes) answered.insert(one.number);
             if (answered.size() == kCount) loop.stop();
           },
       .on_room = [] {},
       .on_connection = [](LinkPublisher::Connection, const std::string&) {},
       .on_refused = [](const Error& error) { FAIL(error.detail); }});
  REQUIRE(publisher);
  for (int i = 0; i < kCount; ++i) {
    Draft draft = numbered(i);
    REQUIRE((*publisher)->publish(draft));
  }
  while (broker->received.size() < kCount) loop.run_once();
  CHECK(answered.empty());

  broker.reset();  // killed, with everything unanswered
  broker = std::make_unique<FakeBroker>(context, endpoint);
  loop.run();
  CHECK(answered.size() == kCount);
  CHECK(std::set<std::uint64_t>(answered.begin(), answered.end()).size() == kCount);
  CHECK((*publisher)->idle());
  CHECK((*publisher)->resent() == kCount);
  for (int i = 0; i < kCount; ++i) CHECK(broker->received[static_cast<std::size_t>(i)] == std::to_string(i));
}

}  // namespace
}  // namespace tocsin::ops
