#pragma once
// Roamer: one client that understands `migrating` (PROTOCOL.md 5.7) and comes back by itself when it is cut.
//
//   current        the socket that carries the stream
//   next           one that is being opened: where an offer points, or where to come back
//   leaving        old sockets: `bye` is said when the new one carries all that they brought
//
// Invariant: a client is streaming, on its way (next), or waiting for a timer.
// Thread: one.
#include <cstdint>
#include <string>
#include <vector>

#include "tools/loadgen/roam/leg.h"
#include "tools/loadgen/roam/story.h"
#include "tools/loadgen/roam/tally.h"

namespace tocsin::loadgen::roam {

class Roamer;

/// What clients want of who runs them.
class Host {
 public:
  virtual ~Host() = default;
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  /// Null when the system refuses.
  virtual Leg* dial(LegOwner& owner, Name name, const Target& target, std::string hello) = 0;
  /// Closes a socket without telling its owner.
  virtual void drop(Leg& leg) = 0;
  /// Calls roamer.wake(token) then.
  virtual void after(std::chrono::milliseconds wait, Roamer& roamer, std::uint32_t token) = 0;
  [[nodiscard]] virtual const Target& endpoint(std::uint32_t turn) const = 0;
  [[nodiscard]] virtual bool hasty() const = 0;
  [[nodiscard]] virtual bool plain() const = 0;  ///< `migrating` is not understood
  /// What it shows to be let in; empty: nothing. Good until the next turn.
  [[nodiscard]] virtual std::string_view token(std::uint32_t client) const = 0;
  [[nodiscard]] virtual Tally& tally() = 0;
  virtual void first_streaming() = 0;
  /// An update that was news to a client.
  virtual void news(Roamer& roamer, std::uint64_t offset, std::string_view frame) = 0;

 protected:
  Host() = default;
};

class Roamer final : public LegOwner {
 public:
  Roamer(Host& host, std::uint32_t id, std::string channel, std::uint32_t turn)
      : host_(host), id_(id), channel_(std::move(channel)), turn_(kTurns + turn) {}

  void start();
  void wake(std::uint32_t token);
  /// Gives up what is silent for too long. Called about twice a second.
  void look(Clock::time_point now, std::chrono::milliseconds silence);
  void leave();
  void mark() { home_ = edge_; }
  /// There is another token for it: said on its open sockets.
  void refresh();

  [[nodiscard]] bool streaming() const noexcept { return current_ != nullptr; }
  [[nodiscard]] std::uint32_t id() const noexcept { return id_; }
  [[nodiscard]] const std::string& home() const noexcept { return home_; }
  [[nodiscard]] const std::string& edge() const noexcept { return edge_; }
  [[nodiscard]] std::uint32_t hops() const noexcept { return hops_; }
  [[nodiscard]] const std::string& channel() const noexcept { return channel_; }
  [[nodiscard]] Story& story() noexcept { return story_; }
  [[nodiscard]] const Story& story() const noexcept { return story_; }

  void welcomed(Leg& leg, bool resumed) override;
  void subscribed(Leg& leg, const Position& at, std::string_view outcome) override;
  void told(Leg& leg, std::uint64_t from, std::uint64_t to, std::string_view frame) override;
  void migrating(Leg& leg, const Migration& offer) override;
  void answered(Leg&, std::string_view, bool) override {}
  void refused(Leg& leg, std::string_view frame) override;
  void ended(Leg& leg) override;

 private:
  /// A turn of the list of endpoints that may be counted down from, for lists of up to 8.
  static constexpr std::uint32_t kTurns = 840 * 840;
  enum class Plan : std::uint8_t { none, move, come_back };
  void plan(Plan what, std::chrono::milliseconds wait);
  void dial(const Target& target, const std::string& ticket);
  void come_back(std::int64_t dictated_ms);
  void retry_move();
  void carry_on(Leg& leg, std::uint64_t from);
  void switch_over();
  [[nodiscard]] std::chrono::milliseconds own_delay();

  Host& host_;
  const std::uint32_t id_;
  const std::string channel_;
  std::uint32_t turn_;
  std::uint32_t token_ = 0;
  bool owes_refresh_ = false;  ///< the next socket was opened with a token of before
  Plan plan_ = Plan::none;
  Leg* current_ = nullptr;
  Leg* next_ = nullptr;
  std::vector<Leg*> leaving_;
  Leg* owed_bye_ = nullptr;      ///< of these the last, until current_ carries what it brought
  std::uint64_t switch_at_ = 0;  ///< that position
  std::uint32_t sockets_ = 0;
  std::string ticket_;
  std::string edge_;
  std::string home_;
  std::uint32_t hops_ = 0;
  std::uint32_t failures_ = 0;
  Migration offer_;
  Clock::time_point offer_until_;
  Clock::time_point cut_at_;
  std::chrono::milliseconds dictated_{0};
  std::uint64_t repeats_ = 0;  // since the next socket was dialled
  Story story_;
};

}  // namespace tocsin::loadgen::roam
