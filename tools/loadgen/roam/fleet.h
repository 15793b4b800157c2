#pragma once
// Fleet: many roaming clients and one publisher in one epoll loop, driven by lines on standard input, so that
// a test can do to the cluster what it wants between two of them. Each command is answered by one line of
// JSON.
//
//   all clients stream -> "ready" -> (mark NAME | status | endpoints A,B | tokens FILE)* -> stop (or
//   --seconds)
//     -> publishing ends, all that was acknowledged arrives everywhere -> "report"
//
// Thread: one.
#include <cstdint>
#include <memory>
#include <queue>
#include <string>
#include <unordered_map>
#include <vector>

#include "tools/loadgen/roam/announcer.h"

namespace tocsin::loadgen::roam {

struct FleetPlan {
  std::vector<Target> targets;
  std::uint32_t clients = 1;
  std::uint32_t start_on = 0;  ///< clients begin on the first so many targets; 0: on all
  Rhythm rhythm;
  bool hasty = false;     ///< come back at once, whatever delay is dictated
  bool plain = false;     ///< clients do not understand `migrating`
  bool commands = false;  ///< until "stop" comes; else for `seconds`
  double seconds = 10;
  double settle_seconds = 30;  ///< in which everything must have arrived after the last publish
  std::chrono::milliseconds silence{15'000};
  std::uint32_t connect_burst = 200;
  std::vector<std::string>
      tokens;           ///< client i shows the i-th, and begins anew behind the last; so does the publisher
  std::string history;  ///< file; empty: none
  std::uint32_t recorded = 0;
};

/// The lines of a file that are not empty; none when there is no such file.
[[nodiscard]] std::vector<std::string> tokens_of(const std::string& file);

class Fleet final : public Host {
 public:
  explicit Fleet(FleetPlan plan);
  ~Fleet() override;

  /// Runs the plan to its end. False: a promise was broken; the report says which.
  bool run();

  Leg* dial(LegOwner& owner, Name name, const Target& target, std::string hello) override;
  void drop(Leg& leg) override;
  void after(std::chrono::milliseconds wait, Roamer& roamer, std::uint32_t token) override;
  [[nodiscard]] const Target& endpoint(std::uint32_t turn) const override;
  [[nodiscard]] bool hasty() const override { return plan_.hasty; }
  [[nodiscard]] bool plain() const override { return plan_.plain; }
  [[nodiscard]] std::string_view token(std::uint32_t client) const override;
  [[nodiscard]] Tally& tally() override { return tally_; }
  void first_streaming() override { ++streaming_; }
  void news(Roamer& roamer, std::uint64_t offset, std::string_view frame) override;

 private:
  struct Timer {
    Clock::time_point due;
    Roamer* roamer;
    std::uint32_t token;
    bool operator<(const Timer& other) const noexcept { return due > other.due; }
  };
  /// What positions of a channel were seen to hold.
  struct Agreed {
    std::uint64_t first = 0;
    std::vector<std::uint32_t> numbers;
  };
  bool open_all();
  void turn();
  void mark(const std::string& name);
  void on_event(std::uint32_t id, std::uint32_t events);
  void watch(Leg& leg);
  void read_commands();
  void on_command(const std::string& line);
  void take_tokens(const std::string& file);
  [[nodiscard]] bool settled() const;
  [[nodiscard]] std::uint64_t lost() const;

  FleetPlan plan_;
  const Clock::time_point zero_ = Clock::now();
  Wire wire_;
  std::unique_ptr<History> history_;
  Tally tally_;
  int epoll_ = -1;
  std::uint32_t next_id_ = 1;
  std::unordered_map<std::uint32_t, std::unique_ptr<Leg>> legs_;
  std::unordered_map<std::uint32_t, std::uint32_t> armed_;
  std::vector<std::uint32_t> dead_;  // freed at the end of the turn
  std::vector<std::unique_ptr<Roamer>> roamers_;
  std::vector<Histogram*> delivery_;  // by client, of this phase
  std::vector<Agreed> agreed_;        // by channel
  Announcer announcer_;
  std::priority_queue<Timer> timers_;
  Clock::time_point look_at_;
  std::uint32_t streaming_ = 0;
  bool stopping_ = false;
  std::string typed_;
};

}  // namespace tocsin::loadgen::roam
