#pragma once
// Frames: the few members of tocsin.v1.json that a roaming client reads, found by scanning, and the frames it
// says. It shares no code with the edge. Pure.
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tools/loadgen/connection.h"

namespace tocsin::loadgen::roam {

/// The text after `"name":"` up to the next quote; empty when absent. Made for texts without escapes.
[[nodiscard]] std::string_view text_member(std::string_view frame, std::string_view quoted_name);
/// A number that may be negative; `otherwise` when absent.
[[nodiscard]] std::int64_t signed_member(std::string_view frame, std::string_view quoted_name,
                                         std::int64_t otherwise);
[[nodiscard]] bool true_member(std::string_view frame, std::string_view quoted_name);
/// "ws://127.0.0.1:8080/v1/stream", "http://127.0.0.1:8080" or "127.0.0.1:8080".
[[nodiscard]] std::optional<Target> parse_endpoint(std::string_view text);

struct Position {
  std::string epoch;  ///< empty: nothing is known
  std::uint64_t offset = 0;
};

/// `connect`: with a ticket to go on, with a position where the client states its own, with a token where one
/// is asked for.
[[nodiscard]] std::string connect_frame(std::string_view ticket, const Position& stated,
                                        std::string_view token = {});
[[nodiscard]] std::string refresh_frame(std::string_view token);
[[nodiscard]] std::string subscribe_frame(std::string_view channel, const Position& since);
[[nodiscard]] std::string bye_frame(std::uint64_t duplicates);

/// The offer that `status` `migrating` makes.
struct Migration {
  Target target;
  std::string ticket;
  std::chrono::milliseconds wait{0};
  std::chrono::milliseconds deadline{30'000};
};
[[nodiscard]] std::optional<Migration> migration_of(std::string_view frame);

}  // namespace tocsin::loadgen::roam
