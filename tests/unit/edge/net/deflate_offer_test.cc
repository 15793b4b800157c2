#include "edge/net/deflate_offer.h"

#include <doctest/doctest.h>

#include <string>

namespace tocsin::edge {
namespace {

std::size_t choose(std::string_view offers) { return choose_offer(offers, "Mozilla/5.0"); }

TEST_CASE("edge net: offers that leave the server its window are taken") {
  for (
      const std::string_view good :
      {"permessage-deflate", "permessage-deflate; client_max_window_bits",
       "permessage-deflate;client_max_window_bits=10", "permessage-deflate; server_no_context_takeover",
       "permessage-deflate; client_no_context_takeover",
       "permessage-deflate; client_max_window_bits=15; server_no_context_takeover; client_no_context_takeover",
       "x-webkit-deflate-frame, permessage-deflate", "permessage-deflate, x-other; a=b"}) {
    CAPTURE(good);
    CHECK(choose(good) == 1);
  }
}

TEST_CASE("edge net: odd offers are declined") {
  for (const std::string_view bad :
       {"", "permessage-bzip2", "permessage-deflate; server_max_window_bits=10",
        "permessage-deflate; server_max_window_bits=15", "permessage-deflate; server_max_window_bits",
        "permessage-deflate; client_max_window_bits=7", "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=", "permessage-deflate; client_max_window_bits=08",
        "permessage-deflate; unknown", "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_max_window_bits; client_max_window_bits",
        "permessage-deflate; client_max_window_bits=\"10\"", "permessage-deflate;;", ",,,",
        "permessage-deflate;\tclient_max_window_bits"}) {
    CAPTURE(bad);
    CHECK(choose(bad) == 0);
  }
}

TEST_CASE(
    "edge net: of several offers the first good one is taken, and never one that the library would stumble over") {
  CHECK(choose("permessage-deflate; server_max_window_bits=10, permessage-deflate") == 2);
  CHECK(choose("permessage-deflate; client_max_window_bits, permessage-deflate") == 1);
  CHECK(choose("permessage-deflate, permessage-deflate; client_max_window_bits") == 2);
  CHECK(choose("permessage-deflate, permessage-deflate; server_max_window_bits=10") == 0);
}

TEST_CASE("edge net: Safari 15.0 to 15.3 gets no compression") {
  const auto safari = [](std::string_view version) {
    return choose_offer("permessage-deflate", "Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 Version/" +
                                                  std::string(version) + " Safari/605.1.15");
  };
  CHECK(safari("15.0") == 0);
  CHECK(safari("15.3.1") == 0);
  CHECK(safari("15.4") == 1);
  CHECK(safari("15.10") == 1);
  CHECK(safari("16.1") == 1);
}

}  // namespace
}  // namespace tocsin::edge
