#include "edge/hub/audience_log.h"

#include <algorithm>
#include <cassert>

#include "edge/codec/deflate.h"
#include "edge/codec/server_frame.h"
#include "edge/codec/ws_frame.h"

namespace tocsin::edge {
namespace {

constexpr AudienceLog::Cursor kOrigin = AudienceLog::Cursor{1} << 48U;  // room to put frames in front
constexpr std::size_t kKeepCapacity = 64 * 1024;

}  // namespace

AudienceLog::AudienceLog(Encoding encoding, std::uint32_t sub)
    : encoding_(encoding), sub_(sub), begin_(kOrigin) {}

void AudienceLog::reset(Position position) {
  begin_ = end();
  buffer_.clear();
  front_ = 0;
  frames_.clear();
  epoch_ = position.epoch;
  floor_ = covered_ = position.offset;
}

/// Header, prefix, body and suffix straight into the log: the body is the update's own, shared by all
/// audiences.
void AudienceLog::frame_update(std::string& out, const FeedUpdate& update) const {
  std::string scratch;
  const Door door = encoding_.door;
  const auto body = update.body(door, scratch);
  std::string prefix;
  prefix.reserve(64);
  frame::append_update_prefix(prefix, door, sub_, update.offset(), body.size());
  const auto suffix = frame::update_suffix(door);
  const std::size_t size = prefix.size() + body.size() + suffix.size();
  if (encoding_.deflate && size >= ws::kDeflateFrom) {
    const std::string& blocks = update.blocks(door);
    if (prefix.size() + blocks.size() + ws::kStoredHeader < size)
      return ws::append_deflated(out, ws::opcode_of(door), prefix, blocks);
  }
  if (door == Door::sse)
    out.append("id: ")
        .append(to_text(epoch_))
        .append(":")
        .append(std::to_string(update.offset()))
        .append("\ndata: ");
  else
    ws::append_header(out, ws::opcode_of(door), size);
  out.append(prefix).append(body).append(suffix);
  if (door == Door::sse) out.append("\n\n");
}

void AudienceLog::frame_skip(std::string& out, Offset from, Offset to) const {
  append_framed(out, encoding_, frame::skip(encoding_.door, sub_, from, to), {epoch_, to});
}

void AudienceLog::append(const SharedUpdate& update) {
  assert(update->offset() > covered_);
  skip_to(update->offset() - 1);
  frame_update(buffer_, *update);
  covered_ = update->offset();
  add_frame(covered_, covered_, update);
}

void AudienceLog::skip_to(Offset to) {
  if (to <= covered_) return;
  frame_skip(buffer_, covered_ + 1, to);
  add_frame(covered_ + 1, to, nullptr);
  covered_ = to;
}

void AudienceLog::append_head() {
  append_framed(buffer_, encoding_, frame::head(encoding_.door, sub_, covered_), {epoch_, covered_});
  add_frame(covered_ + 1, covered_, nullptr);
}

void AudienceLog::prepend(Offset from, const std::deque<SharedUpdate>& updates) {
  std::string front;
  std::deque<Frame> index;
  Offset at = from;
  const auto skip = [&](Offset to) {
    if (to <= at) return;
    frame_skip(front, at + 1, to);
    index.push_back({front.size(), at + 1, to, nullptr});
    at = to;
  };
  for (const auto& update : updates) {
    skip(update->offset() - 1);
    frame_update(front, *update);
    update->forget_blocks();
    at = update->offset();
    index.push_back({front.size(), at, at, update});
  }
  skip(floor_);
  begin_ -= front.size();
  for (auto& frame : index) frame.end += begin_;
  frames_.insert(frames_.begin(), index.begin(), index.end());
  front.append(buffer_, front_);
  buffer_ = std::move(front);
  front_ = 0;
  floor_ = from;
}

std::size_t AudienceLog::first_frame(Cursor from) const {
  const auto it = std::upper_bound(frames_.begin(), frames_.end(), from,
                                   [](Cursor c, const Frame& f) { return c < f.end; });
  return static_cast<std::size_t>(it - frames_.begin());
}

std::string_view AudienceLog::batch(Cursor from, std::size_t max) const {
  assert(from >= begin_ && from <= end());
  const auto start = front_ + static_cast<std::size_t>(from - begin_);
  std::size_t size = buffer_.size() - start;
  if (size > max) {
    const std::size_t beyond = first_frame(from + max);  // first frame that ends after from + max
    const std::size_t first = first_frame(from);
    size = static_cast<std::size_t>(frames_[std::max(beyond, first + 1) - 1].end - from);
  }
  return std::string_view(buffer_).substr(start, size);
}

std::size_t AudienceLog::frames_between(Cursor from, Cursor to) const {
  return first_frame(to) - first_frame(from);
}

std::string_view AudienceLog::bytes(const Frame& frame, std::size_t index) const {
  const Cursor start = index == 0 ? begin_ : frames_[index - 1].end;
  return std::string_view(buffer_).substr(front_ + static_cast<std::size_t>(start - begin_),
                                          static_cast<std::size_t>(frame.end - start));
}

Offset AudienceLog::position_at(Cursor cursor) const {
  const auto i = first_frame(cursor);
  return i == 0 ? floor_ : frames_[i - 1].to;
}

std::optional<AudienceLog::Place> AudienceLog::find(Offset after) const {
  if (after < floor_ || after > covered_) return std::nullopt;
  const auto it = std::upper_bound(frames_.begin(), frames_.end(), after,
                                   [](Offset o, const Frame& f) { return o < f.to; });
  if (it == frames_.end()) return Place{end(), 0};
  if (it->from <= after) return Place{it->end, it->to};
  return Place{it == frames_.begin() ? begin_ : std::prev(it)->end, 0};
}

void AudienceLog::trim_to(Cursor cursor) {
  if (cursor <= begin_) return;
  while (!frames_.empty() && frames_.front().end <= cursor) {
    floor_ = frames_.front().to;
    frames_.pop_front();
  }
  front_ += static_cast<std::size_t>(cursor - begin_);
  begin_ = cursor;
  if (front_ == buffer_.size()) {
    buffer_.clear();
    front_ = 0;
  } else if (front_ > kKeepCapacity && front_ > buffer_.size() / 2) {
    buffer_.erase(0, front_);
    front_ = 0;
  }
}

void AudienceLog::release() {
  if (size() == 0 && buffer_.capacity() > 0) {
    std::string().swap(buffer_);
    front_ = 0;
    std::deque<Frame>().swap(frames_);
  }
}

}  // namespace tocsin::edge
