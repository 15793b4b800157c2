#pragma once
// Leg: one socket of a roaming client, from dialling to its end. It holds its own stream to contiguity and
// knows nothing of other sockets.
//
//   dialling -> welcomed -> streaming          (ended: the owner is told once, last)
//
// Thread: one.
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "tools/loadgen/connection.h"
#include "tools/loadgen/roam/frames.h"
#include "tools/loadgen/roam/history.h"

namespace tocsin::loadgen::roam {

class Leg;
using Clock = std::chrono::steady_clock;

/// Who a leg belongs to: a client, or the publisher.
class LegOwner {
 public:
  virtual ~LegOwner() = default;
  LegOwner(const LegOwner&) = delete;
  LegOwner& operator=(const LegOwner&) = delete;
  virtual void welcomed(Leg& leg, bool resumed) = 0;
  virtual void subscribed(Leg& leg, const Position& at, std::string_view outcome) = 0;
  /// `frame` is the update; an empty view: a skip.
  virtual void told(Leg& leg, std::uint64_t from, std::uint64_t to, std::string_view frame) = 0;
  virtual void migrating(Leg& leg, const Migration& offer) = 0;
  virtual void answered(Leg& leg, std::string_view frame, bool accepted) = 0;
  virtual void refused(Leg& leg, std::string_view frame) = 0;  ///< an error without `ref`
  virtual void ended(Leg& leg) = 0;

 protected:
  LegOwner() = default;
};

class Leg {
 public:
  enum class State : std::uint8_t { dialling, welcomed, streaming };
  /// How the server said that the socket ends; the delay is that of `welcome` when it says nothing at the
  /// end.
  struct Closing {
    bool said = false;
    std::int64_t retry_after_ms = -1;  ///< -1: nothing dictated
    std::string ticket;
  };

  /// `history` null: nothing is recorded.
  Leg(std::uint32_t id, const Wire& wire, LegOwner& owner, Name name, History* history);
  ~Leg();
  Leg(const Leg&) = delete;
  Leg& operator=(const Leg&) = delete;
  /// False when the system refuses. `hello` is sent once the upgrade is done.
  bool dial(const Target& target, std::string hello, const std::string& source);
  void say(std::string_view frame);

  [[nodiscard]] Connection& socket() noexcept { return socket_; }
  [[nodiscard]] LegOwner& owner() noexcept { return owner_; }
  [[nodiscard]] State state() const noexcept { return state_; }
  [[nodiscard]] const std::string& edge() const noexcept { return edge_; }
  [[nodiscard]] const std::string& ticket() const noexcept { return ticket_; }
  [[nodiscard]] const Closing& closing() const noexcept { return closing_; }
  [[nodiscard]] std::uint64_t broken() const noexcept { return broken_; }  ///< frames out of place
  [[nodiscard]] Clock::time_point heard() const noexcept { return heard_; }
  [[nodiscard]] Clock::time_point dialled() const noexcept { return dialled_; }

 private:
  void on_frame(std::string_view frame);
  void on_told(std::uint64_t from, std::uint64_t to, std::string_view frame);

  LegOwner& owner_;
  const Name name_;
  History* const history_;
  Connection socket_;
  State state_ = State::dialling;
  std::string edge_;
  std::string ticket_;
  Closing closing_;
  std::uint64_t at_ = 0;
  std::uint64_t broken_ = 0;
  Clock::time_point heard_;
  Clock::time_point dialled_;
};

}  // namespace tocsin::loadgen::roam
