#include "edge/codec/sse_frame.h"

#include <charconv>

namespace tocsin::edge::sse {

void append_event(std::string& out, Position id, std::string_view data) {
  if (id != Position{})
    out.append("id: ").append(to_text(id.epoch)).append(":").append(std::to_string(id.offset)).append("\n");
  out.append("data: ").append(data).append("\n\n");
}

void append_retry(std::string& out, std::uint32_t ms) {
  out.append("retry: ").append(std::to_string(ms)).append("\n\n");
}

Result<Position> parse_id(std::string_view text) {
  const Error bad{Errc::invalid_argument, "Last-Event-ID is epoch:offset"};
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return bad;
  const auto epoch = parse_epoch(text.substr(0, colon));
  if (!epoch) return bad;
  const auto digits = text.substr(colon + 1);
  Offset offset = 0;
  const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), offset);
  if (ec != std::errc{} || end != digits.data() + digits.size()) return bad;
  return Position{*epoch, offset};
}

}  // namespace tocsin::edge::sse
