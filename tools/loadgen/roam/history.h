#pragma once
// History: what some clients and the publisher saw and said, for the checker (tests/checker/FORMAT.md).
// Frames are written as they came.
//
// Thread: one.
#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>

namespace tocsin::loadgen::roam {

/// One socket of one client.
struct Name {
  std::uint32_t client = 0;
  std::uint32_t socket = 0;
};

class History {
 public:
  explicit History(const std::string& path);
  void opened(Name name);
  void closed(Name name);
  void sent(Name name, std::string_view frame);
  void received(Name name, std::string_view frame);
  void publishing(std::string_view update);
  void acknowledged(std::string_view channel, std::string_view event_id, std::string_view position);
  void settled();

 private:
  std::ofstream out_;
};

}  // namespace tocsin::loadgen::roam
