#pragma once
// Sequencer: turns drafts into positions. Deduplicates, folds incidents, and commits in groups: while one
// group is with the store the next ones gather; a group that finds the store idle goes at once.
//
//   publish() --> gathering --(large enough)--> closed --(store idle)--> committing --ok--> fan-out, answers
//                     '----------(store idle)-------------------------^          \-failed--> all groups
//                     answered with the error, state rolled back
//
// Invariant: an update leaves here (Sink) only after its group is committed, and groups leave in order.
// Thread: the loop.
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "broker/config.h"
#include "broker/log/log_store.h"
#include "broker/metrics.h"
#include "broker/seq/channels.h"
#include "broker/seq/group.h"
#include "broker/seq/incident_cache.h"
#include "common/clock.h"
#include "common/trace/tracer.h"

namespace tocsin::broker {

class Sequencer {
 public:
  using Random = std::function<std::uint64_t()>;
  struct Sink {
    std::function<void(const CommittedRun&)> on_run;  ///< fan this out
    std::function<void(PublishAnswer)> on_answer;
  };

  Sequencer(const Config& config, LogStore& store, const Clock& clock, Random random, Metrics& metrics,
            Sink sink);

  [[nodiscard]] Status open();
  /// From now on commits of sampled updates are traced.
  void trace(trace::Tracer& tracer) noexcept { tracer_ = &tracer; }
  [[nodiscard]] Channels& channels() noexcept { return channels_; }

  /// Takes the drafts of one message; the answer comes through the sink, in the order of the messages that
  /// gathered.
  void publish(std::string_view peer, link::Publish message, Origin origin = Origin::edge);
  /// The group that gathers: whoever adds to it calls flush(). `after` runs when it is committed, or has
  /// failed.
  [[nodiscard]] Batch& gathering() noexcept { return gathering_.batch; }
  void after_commit(std::function<void(const Status&)> after) {
    gathering_.after.push_back(std::move(after));
  }
  /// The channel, made in the gathering group when it is new.
  [[nodiscard]] Result<Channel*> open_channel(std::string_view name);
  /// Hands the gathering group to the store if that is idle.
  void flush();

  /// Every 100 ms: history limits, and after a failure an attempt to write again.
  void tick();
  void stop() noexcept { stopping_ = true; }
  [[nodiscard]] bool idle() const noexcept { return !committing_ && closed_.empty() && gathering_.empty(); }
  /// Empty, or why nothing is taken at the moment.
  [[nodiscard]] std::string not_ready_reason() const;
  /// What the store said last, until it takes updates again.
  [[nodiscard]] const std::optional<Error>& fault() const noexcept { return fault_; }
  /// How long the store has had the group that is under way; 0: none is.
  [[nodiscard]] Millis committing_for() const;
  /// Something that was stored does not read back: nothing more is taken until the process is restarted.
  void found_corrupt(const Error& error);

 private:
  [[nodiscard]] link::PublishOutcome accept(Draft draft);
  [[nodiscard]] Status admit(const Draft& draft) const;
  [[nodiscard]] Result<Update> make_update(Channel& channel, Draft& draft, link::PublishOutcome& outcome);
  void append(Channel& channel, Update update, std::uint64_t body_hash);
  void touch(Channel& channel);
  void close_group();
  void start_commit();
  void committed(Group group, const Status& status);
  void fail(Group group, const Error& error);
  void measure(const Group& group);
  void answer(Group& group, const Error* error);
  void trim_some();

  const Config& config_;
  LogStore& store_;
  const Clock& clock_;
  Random random_;
  Metrics& metrics_;
  Sink sink_;
  Channels channels_;
  IncidentCache incidents_;
  Group gathering_;
  std::deque<Group> closed_;  ///< large enough, and waiting for the store
  std::size_t closed_count_ = 0;
  std::size_t closed_bytes_ = 0;
  std::optional<Group> committing_;
  std::unordered_map<std::string, std::size_t> unanswered_;  // drafts by peer
  std::optional<Error> fault_;
  bool corrupt_ = false;
  bool stopping_ = false;
  trace::Tracer* tracer_ = nullptr;  ///< null: no traces
  std::int64_t started_commit_us_ = 0;
  Instant next_try_{};
  std::uint64_t next_number_ = 1;
  std::string trimmed_to_;
};

}  // namespace tocsin::broker
