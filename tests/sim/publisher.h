#pragma once
// Publisher: sends updates until each is acknowledged or refused for good; what gets no answer is sent again
// under the same event_id. LinkSender speaks to the broker over a wire of its own, as ZeroMQ publishers do;
// EdgeSender goes through an edge, as POST does.
//
// Thread: one.
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "proto/link_message.h"
#include "tests/sim/processes.h"
#include "tests/sim/recorder.h"
#include "tests/sim/wires.h"
#include "tests/sim/world.h"

namespace tocsin::sim {

class Sender {
 public:
  using Done = std::function<void(const Result<link::PublishOutcome>&)>;
  Sender() = default;
  virtual ~Sender() = default;
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;
  /// `done` may never run: whoever sends keeps a timer.
  virtual void send(const Draft& draft, Done done) = 0;
};

class EdgeSender final : public Sender {
 public:
  explicit EdgeSender(std::function<EdgeProcess&()> pick) : pick_(std::move(pick)) {}
  void send(const Draft& draft, Done done) override;

 private:
  std::function<EdgeProcess&()> pick_;
};

class LinkSender final : public Sender {
 public:
  LinkSender(World& world, Wires& wires, std::string name);
  void send(const Draft& draft, Done done) override;

 private:
  void hello();
  void beat();
  void received(const std::string& bytes);
  World& world_;
  Wires& wires_;
  const std::string name_;
  bool welcome_ = false;
  std::uint64_t ref_ = 0;
  std::map<std::uint64_t, Done> open_;
};

class Publisher {
 public:
  Publisher(World& world, Recorder& recorder, Sender& sender, std::string name)
      : world_(world), recorder_(recorder), sender_(sender), name_(std::move(name)) {}

  /// Publishes one update; `json` has channel and event_id.
  void publish(const std::string& json);
  [[nodiscard]] bool idle() const noexcept { return open_ == 0; }

 private:
  struct One;
  void attempt(const std::shared_ptr<One>& one);
  void answered(const std::shared_ptr<One>& one, const Result<link::PublishOutcome>& answer);
  World& world_;
  Recorder& recorder_;
  Sender& sender_;
  const std::string name_;
  std::size_t open_ = 0;
};

}  // namespace tocsin::sim
