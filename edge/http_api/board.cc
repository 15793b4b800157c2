#include "edge/http_api/board.h"

#include <algorithm>
#include <string>

namespace tocsin::edge {
namespace {

// A server may send viewers to another edge, hence ws:, wss:, http: and https: beside the page's own origin.
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self' ws: wss: http: https:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

HttpReply reply_of(const BoardFile& file, std::string_view caching) {
  HttpReply reply;
  reply.content_type = file.content_type;
  reply.headers.emplace_back("cache-control", caching);
  reply.headers.emplace_back("x-content-type-options", "nosniff");
  reply.body = file.body;
  return reply;
}

}  // namespace

HttpReply board_page() {
  HttpReply reply = reply_of(board_files().front(), "no-cache");
  reply.headers.emplace_back("content-security-policy", kPolicy);
  reply.headers.emplace_back("referrer-policy", "no-referrer");
  return reply;
}

HttpReply board_file(std::string_view rest) {
  const auto slash = std::min(rest.find('/'), rest.size());
  const auto version = rest.substr(0, slash);
  const auto path = rest.substr(std::min(slash + 1, rest.size()));
  const auto files = board_files();
  const auto found = std::find_if(files.begin(), files.end(),
                                  [&](const BoardFile& file) { return !path.empty() && file.path == path; });
  if (found == files.end()) return problem({Errc::not_found, "no such file of the board"});
  return reply_of(*found, version == board_version() ? "public, max-age=31536000, immutable" : "no-store");
}

}  // namespace tocsin::edge
