#include "edge/hub/conflate.h"

#include <algorithm>
#include <unordered_map>
#include <vector>

#include "edge/codec/server_frame.h"

namespace tocsin::edge {
namespace {

constexpr std::size_t kFrameCost = 100;  // prefix, header, empty list
constexpr std::size_t kOffsetCost = 12;  // one number in `replaces`

struct Kept {
  std::size_t frame;  ///< index in the log
  std::vector<Offset> replaces;
  bool alive = true;
};

class Batch {
 public:
  explicit Batch(const AudienceLog& log) : log_(log) {}

  /// False when the frame would make the batch larger than `budget` (it is then not taken, unless it is the
  /// first).
  bool take(std::size_t index, std::size_t budget) {
    const auto& frame = log_.frames()[index];
    if (frame.from > frame.to) return true;  // a head: the client is far from it
    const std::size_t cost =
        frame.update ? frame.update->members().size() + kFrameCost : log_.bytes(frame, index).size();
    const std::string key = frame.update ? frame.update->merge_key() : std::string();
    const auto older = key.empty() ? newest_.end() : newest_.find(key);
    const bool replaces =
        older != newest_.end() && log_.frames()[kept_[older->second].frame].update->droppable();
    const std::size_t saved = replaces ? log_.frames()[kept_[older->second].frame].update->members().size() +
                                             kFrameCost - kOffsetCost
                                       : 0;
    if (size_ + cost > budget + saved && !kept_.empty()) return false;
    size_ += cost - std::min(saved, size_ + cost);
    Kept kept{index, {}, true};
    if (replaces) {
      Kept& old = kept_[older->second];
      kept.replaces = std::move(old.replaces);
      kept.replaces.push_back(log_.frames()[old.frame].to);
      old.alive = false;
    }
    if (!key.empty()) newest_[key] = kept_.size();
    kept_.push_back(std::move(kept));
    return true;
  }

  [[nodiscard]] const std::vector<Kept>& kept() const noexcept { return kept_; }

 private:
  const AudienceLog& log_;
  std::vector<Kept> kept_;
  std::unordered_map<std::string, std::size_t> newest_;
  std::size_t size_ = 0;
};

}  // namespace

ConflateResult conflate(const AudienceLog& log, Encoding encoding, std::uint32_t sub, Epoch epoch,
                        AudienceLog::Cursor from, std::size_t budget, FrameRun& out) {
  ConflateResult result{from};
  Batch batch(log);
  for (std::size_t i = log.first_frame(from); i < log.frames().size() && batch.take(i, budget); ++i)
    result.cursor = log.frames()[i].end;
  std::string scratch;
  for (const auto& kept : batch.kept()) {
    if (!kept.alive) continue;
    const auto& frame = log.frames()[kept.frame];
    if (!frame.update) {
      out.bytes.append(log.bytes(frame, kept.frame));
      out.close_frame();
      continue;
    }
    append_framed(out.bytes, encoding,
                  frame::conflated(encoding.door, sub, frame.to, kept.replaces,
                                   frame.update->body(encoding.door, scratch)),
                  {epoch, frame.to});
    out.close_frame();
    ++result.updates;
    result.dropped += kept.replaces.size();
  }
  return result;
}

}  // namespace tocsin::edge
