#pragma once
// What a client of tocsin.v1.proto says, as the JSON that says the same: one parser then decides what a
// command is, and the two doors cannot differ. Pure function; any thread.
#include <optional>
#include <string>
#include <string_view>

#include "common/result.h"

namespace tocsin {

struct ClientFrameJson {
  std::string json;  ///< one frame of tocsin.v1.json; empty when there is an error
  std::optional<Error>
      error;        ///< invalid_argument: no ClientFrame, an empty one, or JSON text in it that is none
  std::string ref;  ///< with an error: the publish's own
};

/// Translates one ClientFrame (proto/client.proto). Never fails otherwise.
[[nodiscard]] ClientFrameJson client_frame_json(std::string_view bytes);

}  // namespace tocsin
