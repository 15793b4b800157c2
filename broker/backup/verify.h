#pragma once
// verify(): is this archive whole, and does it hold a log that could be restored? Reads every byte; changes
// nothing. Blocking; any thread.
#include <functional>
#include <string>

#include "broker/backup/manifest.h"
#include "broker/backup/rows.h"
#include "common/result.h"

namespace tocsin::broker::backup {

/// Called with the head, then with each row.
struct Visitor {
  std::function<Status(const Head&)> head;
  std::function<Status(const Row&, const Head&)> row;
};

/// Walks through an archive and compares it with itself: its hash, its counts, each channel's offsets.
/// Returns its manifest. Fails as ArchiveReader does, with what the visitor failed with, or corrupt.
[[nodiscard]] Result<Manifest> walk(const std::string& path, const Visitor& visitor);

/// walk() for nobody.
[[nodiscard]] Result<Manifest> verify(const std::string& path);

}  // namespace tocsin::broker::backup
