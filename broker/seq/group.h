#pragma once
// Group: everything that one commit makes durable, and what follows once it is: updates to fan out, answers
// to give. Plain data of the sequencer. Thread: the loop.
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "broker/log/log_store.h"
#include "broker/seq/channels.h"
#include "proto/link_message.h"

namespace tocsin::broker {

/// Committed updates of one channel, contiguous.
struct CommittedRun {
  std::string channel;
  Epoch epoch{};
  std::vector<Record> records;
};

/// Who hands drafts in: an edge for its clients, or a publisher of its own.
enum class Origin : std::uint8_t { edge, publisher };

struct PublishAnswer {
  std::string peer;
  std::uint64_t ref = 0;
  std::vector<link::PublishOutcome> outcomes;
  std::size_t counted = 0;      ///< of them, those that count against the peer's window
  std::int64_t arrived_us = 0;  ///< by the steady clock
  std::int64_t taken = 0;       ///< of them, those that got a position
  Origin origin = Origin::edge;
  std::vector<std::pair<std::size_t, std::string>>
      traces{};  ///< of publishers, by outcome; while it is traced
};

struct Group {
  std::uint64_t number = 0;
  Batch batch;
  std::vector<Channel*> touched;  ///< their pending metas are committed with the group
  std::vector<CommittedRun> runs;
  std::vector<PublishAnswer> answers;
  std::vector<std::function<void(const Status&)>> after;
  std::size_t count = 0;
  std::size_t bytes = 0;

  [[nodiscard]] bool writes() const noexcept { return !batch.empty() || !touched.empty(); }
  [[nodiscard]] bool empty() const noexcept { return !writes() && answers.empty() && after.empty(); }
};

}  // namespace tocsin::broker
