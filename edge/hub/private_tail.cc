#include "edge/hub/private_tail.h"

#include <algorithm>

namespace tocsin::edge {
namespace {
constexpr std::size_t kPieceBytes = 64 * 1024;
}

void PrivateTail::append(std::string_view frame) {
  if (pieces_.empty() || pieces_.back().shared || pieces_.back().own.bytes.size() > kPieceBytes)
    pieces_.emplace_back();
  auto& own = pieces_.back().own;
  own.bytes.append(frame);
  own.close_frame();
  own_bytes_ += frame.size();
  unsent_ += frame.size();
}

void PrivateTail::append(std::shared_ptr<const FrameRun> run) {
  if (run->bytes.empty()) return;
  unsent_ += run->bytes.size();
  pieces_.emplace_back().shared = std::move(run);
}

std::string_view PrivateTail::front(std::size_t max) const {
  if (pieces_.empty()) return {};
  const Piece& piece = pieces_.front();
  const auto& ends = piece.run().ends;
  const auto from = ends.begin() + static_cast<std::ptrdiff_t>(piece.next);
  const auto beyond = std::upper_bound(from, ends.end(), piece.sent + max);
  const std::size_t end = beyond == from ? *from : *std::prev(beyond);
  return std::string_view(piece.run().bytes).substr(piece.sent, end - piece.sent);
}

void PrivateTail::take(std::size_t size) {
  if (pieces_.empty()) return;
  Piece& piece = pieces_.front();
  piece.sent += size;
  unsent_ -= size;
  const auto& ends = piece.run().ends;
  piece.next =
      static_cast<std::size_t>(std::upper_bound(ends.begin(), ends.end(), piece.sent) - ends.begin());
  if (!piece.shared) own_bytes_ -= size;
  if (piece.next == ends.size()) pieces_.pop_front();
}

bool PrivateTail::drop_runs() {
  const auto dropped = std::erase_if(pieces_, [this](const Piece& piece) {
    if (!piece.shared) return false;
    unsent_ -= piece.run().bytes.size() - piece.sent;
    return true;
  });
  return dropped > 0;
}

}  // namespace tocsin::edge
