#pragma once
// LinkPublisher: publishes over the broker's link, as tocsinctl and the load tools do. Connects with a CURVE
// key, says Hello, keeps as much under way as the broker's window allows, and sends again what was unanswered
// when the broker died.
//
// Invariant: every draft given to publish() gets one outcome, in the end, as long as the loop runs and a
// broker comes back. Thread: the loop's; callbacks come from the loop, never from inside a call.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/loop/handles.h"
#include "common/mq/dealer.h"
#include "common/result.h"
#include "ops/ctl/publish_window.h"

namespace tocsin::ops {

class LinkPublisher {
 public:
  struct Options {
    std::string endpoint;
    std::optional<mq::Dealer::Security> security;
    PublishWindow::Limits window;
  };
  enum class Connection : std::uint8_t { lost, welcome };
  struct Events {
    std::function<void(std::vector<PublishWindow::Outcome>)> on_outcomes;
    std::function<void()> on_room;                                          ///< publish() may be called again
    std::function<void(Connection, const std::string& why)> on_connection;  ///< lost: it goes on trying
    std::function<void(const Error&)> on_refused;  ///< the broker will not have us: trying on is of no use
  };

  /// Starts to connect. Fails with invalid_argument when the endpoint or a key is none.
  [[nodiscard]] static Result<std::unique_ptr<LinkPublisher>> connect(mq::Context& context, loop::Loop& loop,
                                                                      const Clock& clock,
                                                                      const Options& options, Events events);

  /// False when enough is waiting: on_room follows. The draft must have an event_id.
  [[nodiscard]] bool publish(Draft& draft);
  [[nodiscard]] bool idle() const noexcept { return window_.idle(); }
  [[nodiscard]] bool welcome() const noexcept { return welcome_; }
  [[nodiscard]] std::uint64_t resent() const noexcept { return window_.resent(); }
  [[nodiscard]] std::size_t unanswered() const noexcept { return window_.unanswered(); }

 private:
  LinkPublisher(loop::Loop& loop, const Clock& clock, const Options& options, Events events);
  void hello();
  void on_bytes(std::string_view bytes);
  void on_welcome(const link::Welcome& welcome);
  void lost(const std::string& why);
  void pump();
  void tick();

  const Clock& clock_;
  Events events_;
  PublishWindow window_;
  std::uint64_t instance_;
  std::string id_;
  std::uint64_t heartbeat_ = 0;
  Millis heartbeat_every_{1000};
  Instant heard_{};
  Instant said_{};
  bool connected_ = false;
  bool welcome_ = false;
  bool waits_for_room_ = false;
  std::optional<link::Publish> unsent_;  ///< the socket's queue was full
  loop::Timer timer_;
  loop::TurnHook turn_;
  std::unique_ptr<mq::Dealer> dealer_;
};

}  // namespace tocsin::ops
