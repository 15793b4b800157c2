#include "edge/hub/feed_update.h"

#include "edge/codec/deflate.h"
#include "edge/codec/proto_update.h"
#include "edge/codec/server_frame.h"

namespace tocsin::edge {

FeedUpdate::FeedUpdate(const Update& update, Forms forms)
    : offset_(update.offset),
      incident_size_(update.event_name.empty() ? update.incident.size() : 0),
      ends_(update.ends),
      kind_(update.kind),
      key_(update.key),
      event_name_(update.event_name),
      members_(update_members_json(update)) {
  if (forms == Forms::json_and_proto) proto_body_ = proto_update_body(members_);
}

std::string_view FeedUpdate::body(Door door, std::string& scratch) const {
  if (door != Door::proto) return members_;
  if (!proto_body_.empty()) return proto_body_;
  return scratch = proto_update_body(members_);
}

const std::string& FeedUpdate::blocks(Door door) const {
  if (!blocks_) blocks_ = std::make_unique<std::array<std::string, 2>>();
  std::string& made = (*blocks_)[door == Door::proto ? 1 : 0];
  if (!made.empty()) return made;
  std::string scratch;
  std::string text(body(door, scratch));
  return made = ws::deflate_blocks(text.append(frame::update_suffix(door)));
}

std::string_view FeedUpdate::incident() const noexcept {
  return std::string_view(members_).substr(members_.size() - incident_size_);
}

const Facts& FeedUpdate::facts() const {
  if (!facts_) {
    Update update;
    update.kind = kind_;
    update.key = key_;
    update.ends = ends_;
    update.incident = incident();
    facts_ = facts_of(update);
  }
  return *facts_;
}

std::string FeedUpdate::merge_key() const {
  if (key_.empty() || event_name_.empty()) return key_;
  std::string out = key_;
  out.push_back('\0');
  return out.append(event_name_);
}

bool FeedUpdate::droppable() const { return !key_.empty() && !ends_ && facts().severity != "P0"; }

}  // namespace tocsin::edge
