#pragma once
// What a client may say (PROTOCOL.md section 3) as plain structs, and the decoder of the WebSocket doors.
// Values and pure functions; any thread.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/result.h"
#include "edge/codec/door.h"
#include "proto/filter.h"
#include "proto/update.h"

namespace tocsin::edge {

inline constexpr std::size_t kMaxClientText =
    128;  ///< longest id, ref or session name that a client may choose
inline constexpr std::size_t kMaxTicket = 8'192;
inline constexpr std::size_t kMaxTokenText = 65'536;  ///< that is taken; the gate says which are too long

/// Whether a subscription may be given the newest state in place of every update.
enum class Conflate : std::uint8_t {
  when_stalled,  ///< the default: only after it stood still or fell far behind
  when_behind,   ///< "conflate": true - as soon as it is behind
  never,         ///< "conflate": false - every update or a declared end
};

/// A position as a client states it: it may not be one at all, which is answered `lost`, reason `malformed`.
struct Since {
  bool malformed = false;
  Position position;
};

struct Connect {
  std::string token;
  std::string session;
  std::string ticket;
  std::vector<std::pair<std::string, Since>>
      since;  ///< subscription id -> what the client has; wins over the record
};
struct Subscribe {
  std::string id;
  std::string channel;
  Filter filter;
  bool snapshot = false;
  std::optional<Since> since;
  Conflate conflate = Conflate::when_stalled;
  std::uint32_t max_rate = 0;
  bool restored = false;  ///< comes back with its session
  bool revised = false;   ///< comes back to other rows: a snapshot of them comes first, whatever `since` says
};
struct Unsubscribe {
  std::string id;
};
struct PublishOne {
  std::string ref;
  Draft draft;
};
struct Refresh {
  std::string token;
};
struct Ping {
  std::string ref;
};
struct Bye {
  std::uint64_t duplicates = 0;  ///< updates that came on both sockets of a migration
};
/// A frame that is no command. `id` or `ref` is the frame's own when it could be read, so that the client can
/// tell what failed.
struct Malformed {
  Error error;
  std::string id;
  std::string ref;
};

using ClientCommand =
    std::variant<Connect, Subscribe, Unsubscribe, PublishOne, Refresh, Ping, Bye, Malformed>;

/// Decodes one message. Never fails: what is not understood comes back as Malformed. `max_update` bounds the
/// JSON of a publish.
[[nodiscard]] ClientCommand parse_command(Door door, std::string_view bytes, std::size_t max_update);

/// The subscription that a query string of GET /v1/events asks for: channel (default `incidents`), the
/// filter's lists as comma-separated values (`severity=P0,P1`), `label.<name>=a,b`, `active`, `snapshot`,
/// `conflate`; `last_event_id` is `epoch:offset`. Fails with invalid_argument.
[[nodiscard]] Result<Subscribe> parse_event_query(std::string_view query, std::string_view last_event_id);

}  // namespace tocsin::edge
