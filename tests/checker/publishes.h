#pragma once
// Publishes: what publishers sent, were acknowledged and were refused, judged against what the logs turned
// out to hold. Keeps about 32 bytes a line. Thread: one.
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "tests/checker/log.h"
#include "tests/checker/verdict.h"

namespace tocsin::checker {

class Publishes {
 public:
  Publishes(Logs& logs, Findings& findings) : logs_(logs), findings_(findings) {}

  void sent(const json::Value& update);
  void acked(std::string_view event_id, std::uint32_t log, Offset offset);
  void refused(std::string_view event_id);
  /// `all_publishers` and `dedup_window` as in FORMAT.md 2.1.
  void judge(bool all_publishers, Offset dedup_window);
  /// Number of the log that the last acknowledgement for `channel` named, or -1.
  [[nodiscard]] std::int64_t newest_log(const std::string& channel) const;

 private:
  struct Attempt {
    Hash body = 0;
    std::uint64_t if_version = 0;  ///< 0: none
  };
  struct Event {
    std::vector<Attempt> attempts;
    std::uint32_t refusals = 0;
    std::uint32_t acks = 0;
    std::string name;
  };
  struct Ack {
    std::uint32_t log;
    Offset offset;
    Hash event_id;
  };

  void judge_acks();
  void judge_log(std::uint32_t id, bool all_publishers, Offset dedup_window);
  void judge_origin(std::uint32_t id, Offset offset, const Entry& entry, bool all_publishers);
  [[nodiscard]] std::string name_of(Hash event_id) const;

  Logs& logs_;
  Findings& findings_;
  std::unordered_map<Hash, Event> events_;
  std::vector<Ack> acks_;
  std::map<std::string, std::uint32_t> newest_;
};

/// What an update says beside the incident: kind, key and event.
[[nodiscard]] Hash body_hash(const json::Value& update);
/// The incident's id: `key`, or `incident.id`.
[[nodiscard]] std::string_view key_of(const json::Value& update);

}  // namespace tocsin::checker
