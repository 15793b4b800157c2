#pragma once
// Recorder: writes the history of a run (tests/checker/FORMAT.md) line by line to the checker, and keeps the
// text when asked to. Thread: one.
#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>

#include "proto/update.h"
#include "tests/checker/checker.h"
#include "tests/sim/world.h"

namespace tocsin::sim {

class Recorder {
 public:
  /// `text` may be null.
  Recorder(World& world, std::ostream* text) : world_(world), text_(text) {}

  void run(std::string_view members) { line(std::string(members)); }
  void socket(const std::string& client, std::uint64_t conn, std::string_view event);
  void sent(const std::string& client, std::uint64_t conn, std::string_view frame);
  void received(const std::string& client, std::uint64_t conn, std::string_view frame);
  /// JSON of the labels that a subscription's rows have from its next `subscribed` on.
  void rows(const std::string& client, std::uint64_t conn, const std::string& id, std::string_view labels);
  void publishing(const std::string& publisher, std::string_view update);
  void acked(const std::string& publisher, std::string_view channel, std::string_view event_id,
             Position position, bool duplicate);
  void refused(const std::string& publisher, std::string_view event_id, std::string_view code);
  /// What the run does to itself: for the reader of the text only.
  void remark(std::string_view what);

  [[nodiscard]] checker::Verdict finish() { return checker_.finish(); }

 private:
  void line(const std::string& members);
  World& world_;
  std::ostream* text_;
  checker::Checker checker_;
};

}  // namespace tocsin::sim
