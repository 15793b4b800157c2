#pragma once
// The incident board at `/`: a page, its style, its script and the SDK's modules, built into the program. The
// page is asked for anew each time and names its files under their contents' version, so that those can be
// kept by caches for ever. Values; any thread.
#include <span>
#include <string_view>

#include "edge/http_api/http_api.h"

namespace tocsin::edge {

struct BoardFile {
  std::string_view path;  ///< below /board/VERSION/; empty: the page
  std::string_view content_type;
  std::string_view body;
};

/// Generated from the folder `board` and the SDK by embed.py; the page comes first.
[[nodiscard]] std::span<const BoardFile> board_files() noexcept;
[[nodiscard]] std::string_view board_version() noexcept;

/// The page.
[[nodiscard]] HttpReply board_page();
/// What is at `rest`, the path below /board/; a problem when there is nothing. Another version's name is
/// answered too, by an edge that is older or newer than the one that gave the page, but not to be kept.
[[nodiscard]] HttpReply board_file(std::string_view rest);

}  // namespace tocsin::edge
