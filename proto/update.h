#pragma once
// The model of architecture section 2 as plain structs: position, update, draft. Values; any thread.
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace tocsin {

/// Names one history of a channel. Random, durable; changes whenever an acknowledged tail may have been lost.
/// On the client's wire: 16 hexadecimal digits. 0 means "none yet".
enum class Epoch : std::uint64_t {};
/// Dense from 1 within an epoch; 0 is the position before the first update.
using Offset = std::uint64_t;

struct Position {
  Epoch epoch{};
  Offset offset = 0;
  auto operator<=>(const Position&) const = default;
};

[[nodiscard]] std::string to_text(Epoch epoch);
/// Fails with invalid_argument unless `text` is 16 hexadecimal digits.
[[nodiscard]] Result<Epoch> parse_epoch(std::string_view text);

enum class Durability : std::uint8_t { memory, disk, quorum };
[[nodiscard]] std::string_view to_text(Durability d) noexcept;

/// One sequenced update. `incident` is the whole incident after the change, as JSON text; for an application
/// event it is empty, and `event_name` / `event_data` (JSON text) are set instead.
struct Update {
  Offset offset = 0;
  std::string event_id;
  std::string kind;
  std::string key;  ///< the incident's id; what conflation merges on; may be empty for events
  std::string at;   ///< RFC 3339
  std::string actor;
  std::vector<std::string> changed;  ///< names of the incident's members that changed
  std::string incident;
  std::string event_name;
  std::string event_data;
  bool ends = false;    ///< this change took the incident from active to resolved or closed
  std::string trace{};  ///< id of the trace that its publisher made it part of, 16 bytes; empty: of none
};

/// One update as the log keeps it and the link carries it: the same bytes from commit to the edge.
struct Record {
  Offset offset = 0;
  std::shared_ptr<const std::string> bytes;  ///< encode_update() of everything but the offset
};

/// An update as a publisher hands it in: no position yet, the incident may be partial.
struct Draft {
  std::string channel;
  std::string event_id;
  std::string kind;
  std::string key;
  std::string at;
  std::string actor;
  std::string incident;  ///< JSON object, partial; empty for an event
  std::string event_name;
  std::string event_data;  ///< JSON text
  std::optional<std::uint64_t> if_version;
  /// What its publisher may see, as to_json(Constraints): neither the incident as it is nor what becomes of
  /// it may be outside. Empty: no bounds.
  std::string within{};
  std::string trace{};  ///< who caused it: see common/trace/context.h; 24 bytes or none
};

/// Longest accepted names, in bytes; a longer one is invalid_argument.
inline constexpr std::size_t kMaxChannelName = 200;
inline constexpr std::size_t kMaxEventId = 200;
inline constexpr std::size_t kMaxKey = 200;

/// Channel names: 1..kMaxChannelName bytes of [A-Za-z0-9_.:/-].
[[nodiscard]] Status check_channel_name(std::string_view name);

/// Parses the JSON of a publish (protocol.md section 2). `default_channel` serves where the member is absent.
/// Checks types, names and enumerations; fails with invalid_argument naming the member, or too_large when the
/// text is longer than `max_bytes`. It does not make up an event_id: that is the sequencer's.
[[nodiscard]] Result<Draft> parse_draft(std::string_view json, std::string_view default_channel,
                                        std::size_t max_bytes);

/// The JSON of `update` from "event_id" to its last member, without braces, in the form every door shares:
///   "event_id":"..","kind":"..","key":"..","at":"..","actor":"..","changed":[..],"incident":{..}
[[nodiscard]] std::string update_members_json(const Update& update);

}  // namespace tocsin
