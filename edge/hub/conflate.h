#pragma once
// conflate(): what a slow client gets in place of its backlog - per key only the newest update, which names
// in `replaces` those it stands for. P0 updates and those that end an incident are never dropped.
//
// A batch is complete in itself: every offset between its first and last is in a frame, a skip or a
// `replaces` of the same batch. Pure function; thread: the loop.
#include <cstddef>

#include "edge/codec/door.h"
#include "edge/hub/audience_log.h"
#include "edge/hub/private_tail.h"

namespace tocsin::edge {

struct ConflateResult {
  AudienceLog::Cursor cursor;  ///< the batch stands for everything before it
  std::size_t updates = 0;
  std::size_t dropped = 0;
};
/// Appends to `out` frames of about `budget` bytes that stand for the longest run from `from` on; whole
/// frames, each ended.
[[nodiscard]] ConflateResult conflate(const AudienceLog& log, Encoding encoding, std::uint32_t sub,
                                      Epoch epoch, AudienceLog::Cursor from, std::size_t budget,
                                      FrameRun& out);

}  // namespace tocsin::edge
