#pragma once
// Updates and frames for tests of the hub.
#include <string>
#include <vector>

#include "edge/codec/ws_frame.h"
#include "edge/hub/feed_update.h"

namespace tocsin::edge::hub_test {

inline SharedUpdate update(Offset offset, const std::string& key, const std::string& severity = "P3",
                           bool ends = false, const std::string& more = "") {
  Update u;
  u.offset = offset;
  u.event_id = "e" + std::to_string(offset);
  u.kind = "updated";
  u.key = key;
  u.ends = ends;
  u.incident = R"({"id":")" + key + R"(","severity":")" + severity + "\"" + more + "}";
  return std::make_shared<FeedUpdate>(u);
}

inline SharedUpdate event(Offset offset, const std::string& key, const std::string& name) {
  Update u;
  u.offset = offset;
  u.event_id = "e" + std::to_string(offset);
  u.kind = "event";
  u.key = key;
  u.event_name = name;
  u.event_data = "1";
  return std::make_shared<FeedUpdate>(u);
}

inline std::vector<std::string> payloads(std::string_view wire) {
  std::vector<std::string> out;
  while (const auto frame = ws::read(wire)) {
    out.emplace_back(frame->payload);
    wire.remove_prefix(frame->size);
  }
  return out;
}

}  // namespace tocsin::edge::hub_test
