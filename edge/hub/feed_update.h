#pragma once
// FeedUpdate: one update as the hub keeps it - its shared JSON, and what filters and conflation look at. Made
// once per update and shared by the channel's ring, the audience logs and replays.
//
// Thread: the loop.
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "edge/codec/door.h"
#include "proto/filter.h"
#include "proto/update.h"

namespace tocsin::edge {

class FeedUpdate {
 public:
  enum class Forms : std::uint8_t { json, json_and_proto };
  explicit FeedUpdate(const Update& update, Forms forms = Forms::json);

  [[nodiscard]] Offset offset() const noexcept { return offset_; }
  /// update_members_json(): the same for every door of JSON and audience.
  [[nodiscard]] const std::string& members() const noexcept { return members_; }
  /// What an update's frame says for a door beside the audience's number and the offset. Ready made for the
  /// proto door when the channel had such an audience as the update came; else it is made in `scratch`.
  [[nodiscard]] std::string_view body(Door door, std::string& scratch) const;
  /// The body and what stands behind it, compressed (edge/codec/deflate.h). Made when first asked for and
  /// kept until forget_blocks(): all audiences of an update share one compression.
  [[nodiscard]] const std::string& blocks(Door door) const;
  void forget_blocks() const noexcept { blocks_.reset(); }
  [[nodiscard]] const std::string& key() const noexcept { return key_; }
  /// The whole incident after the change; empty for an application event.
  [[nodiscard]] std::string_view incident() const noexcept;
  /// Read when first asked for: a channel without filters never pays for it.
  [[nodiscard]] const Facts& facts() const;
  /// What conflation merges on: incident changes by key, events by key and name. Empty: never merged.
  [[nodiscard]] std::string merge_key() const;
  /// P0 and the end of an incident are never dropped.
  [[nodiscard]] bool droppable() const;
  [[nodiscard]] std::size_t footprint() const noexcept {
    return members_.size() + proto_body_.size() + key_.size() + sizeof(*this) + 64;
  }

 private:
  Offset offset_;
  std::size_t incident_size_;
  bool ends_;
  std::string kind_;
  std::string key_;
  std::string event_name_;
  std::string members_;
  std::string proto_body_;
  mutable std::optional<Facts> facts_;
  mutable std::unique_ptr<std::array<std::string, 2>> blocks_;  ///< of the doors json and proto, for a moment
};

using SharedUpdate = std::shared_ptr<const FeedUpdate>;

}  // namespace tocsin::edge
