#include "tools/loadgen/roam/frames.h"

#include <charconv>

namespace tocsin::loadgen::roam {
namespace {

/// What stands behind `"name":`, or an empty view.
std::string_view behind(std::string_view frame, std::string_view quoted_name) {
  const auto at = frame.find(quoted_name);
  if (at == std::string_view::npos || at + quoted_name.size() + 1 >= frame.size()) return {};
  return frame.substr(at + quoted_name.size() + 1);
}

std::string position_json(const Position& p) {
  return R"({"epoch":")" + p.epoch + R"(","offset":)" + std::to_string(p.offset) + "}";
}

}  // namespace

std::string_view text_member(std::string_view frame, std::string_view quoted_name) {
  const auto rest = behind(frame, quoted_name);
  if (rest.empty() || rest[0] != '"') return {};
  return rest.substr(1, rest.find('"', 1) - 1);
}

std::int64_t signed_member(std::string_view frame, std::string_view quoted_name, std::int64_t otherwise) {
  const auto rest = behind(frame, quoted_name);
  std::int64_t v = otherwise;
  std::from_chars(rest.data(), rest.data() + rest.size(), v);
  return v;
}

bool true_member(std::string_view frame, std::string_view quoted_name) {
  return behind(frame, quoted_name).starts_with("true");
}

std::optional<Target> parse_endpoint(std::string_view text) {
  if (const auto scheme = text.find("://"); scheme != std::string_view::npos) text.remove_prefix(scheme + 3);
  text = text.substr(0, text.find('/'));
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  Target out{.host = std::string(text.substr(0, colon)), .port = 0};
  const auto digits = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out.port);
  if (error != std::errc{} || end != digits.data() + digits.size() || out.port == 0) return std::nullopt;
  return out;
}

std::string connect_frame(std::string_view ticket, const Position& stated, std::string_view token) {
  std::string out = R"({"type":"connect")";
  if (!token.empty()) out.append(R"(,"token":")").append(token).append("\"");
  if (!ticket.empty()) out.append(R"(,"ticket":")").append(ticket).append("\"");
  if (!ticket.empty() && !stated.epoch.empty())
    out.append(R"(,"since":{"a":)").append(position_json(stated)).append("}");
  return out.append("}");
}

std::string refresh_frame(std::string_view token) {
  return R"({"type":"refresh","token":")" + std::string(token) + "\"}";
}

/// Never conflated: each update is accounted for by itself.
std::string subscribe_frame(std::string_view channel, const Position& since) {
  std::string out = R"({"type":"subscribe","id":"a","channel":")";
  out.append(channel).append(R"(","conflate":false)");
  if (!since.epoch.empty()) out.append(",\"since\":").append(position_json(since));
  return out.append("}");
}

std::string bye_frame(std::uint64_t duplicates) {
  return R"({"type":"bye","duplicates":)" + std::to_string(duplicates) + "}";
}

std::optional<Migration> migration_of(std::string_view frame) {
  const auto target = parse_endpoint(text_member(frame, "\"new_endpoint\""));
  if (!target) return std::nullopt;
  return Migration{.target = *target,
                   .ticket = std::string(text_member(frame, "\"resume_token\"")),
                   .wait = std::chrono::milliseconds{signed_member(frame, "\"reconnect_after\"", 0)},
                   .deadline = std::chrono::milliseconds{signed_member(frame, "\"deadline\"", 30'000)}};
}

}  // namespace tocsin::loadgen::roam
