#pragma once
// A client's side of tocsin.v1.proto with the generated classes: what the edge's own codec writes is read
// here by another one. Frames come out as the JSON of tocsin.v1.json, so that the checker judges both doors
// alike. Pure functions; any thread.
#include <optional>
#include <string>
#include <string_view>

namespace tocsin::support {

/// The JSON of one ServerFrame; nullopt when the bytes are none.
[[nodiscard]] std::optional<std::string> server_frame_json(std::string_view bytes);
/// The ClientFrame that says what one frame of tocsin.v1.json says: connect, subscribe, unsubscribe, publish,
/// refresh, ping, bye.
[[nodiscard]] std::string client_frame_bytes(std::string_view json);

}  // namespace tocsin::support
