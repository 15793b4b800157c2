#pragma once
// What a session keeps while it is being taken over from an earlier socket. Values; thread: the loop.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "edge/session/sessions.h"

namespace tocsin::edge {

struct Session::Resume {
  static constexpr std::size_t kMaxHeld = 64;

  std::string session;  ///< named by the client; empty while the ticket could not be read for want of a key
  std::string ticket;
  std::uint64_t fence = 0;                           ///< the ticket's
  std::vector<std::pair<std::string, Since>> since;  ///< what the client says it has
  bool asked = false;                                ///< the claim is under way
  std::vector<std::string> held;                     ///< messages that arrived meanwhile
  std::size_t held_bytes = 0;

  /// False when there is no room for more.
  bool hold(std::string_view bytes, std::size_t max_bytes) {
    if (held.size() >= kMaxHeld || held_bytes + bytes.size() > max_bytes) return false;
    held_bytes += bytes.size();
    held.emplace_back(bytes);
    return true;
  }
};

}  // namespace tocsin::edge
