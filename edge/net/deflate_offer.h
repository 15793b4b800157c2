#pragma once
// What clients offer in Sec-WebSocket-Extensions, and whether this edge's permessage-deflate fits it. Pure;
// any thread.
#include <cstddef>
#include <string_view>

namespace tocsin::edge {

/// Longest list of offers that libwebsockets reads; with more it drops the connection.
inline constexpr std::size_t kMaxOffers = 250;

/// Which of the offers of permessage-deflate to take, counted from 1; 0: none. Taken is one whose parameters
/// leave the server its full window, since all clients share one compression, and which the library below
/// will not stumble over. `user_agent`: Safari 15.0 to 15.3 breaks client_no_context_takeover and gets none.
[[nodiscard]] std::size_t choose_offer(std::string_view offers, std::string_view user_agent);

}  // namespace tocsin::edge
