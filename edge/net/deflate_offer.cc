#include "edge/net/deflate_offer.h"

#include <charconv>

namespace tocsin::edge {
namespace {

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

/// Cuts what stands before `separator` off `rest`.
std::string_view next(std::string_view& rest, char separator) {
  const auto end = rest.find(separator);
  const auto part = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return trimmed(part);
}

bool is_window(std::string_view value) {
  unsigned bits = 0;
  const auto [end, failed] = std::from_chars(value.data(), value.data() + value.size(), bits);
  return failed == std::errc{} && end == value.data() + value.size() && bits >= 8 && bits <= 15 &&
         value.front() != '0';
}

/// server_max_window_bits is never acceptable: the library cannot answer it, and a smaller window would bind
/// every client.
bool acceptable(std::string_view parameters) {
  bool server_takeover = false;
  bool client_takeover = false;
  bool client_window = false;
  while (!parameters.empty()) {
    std::string_view value = next(parameters, ';');
    const bool has_value = value.find('=') != std::string_view::npos;
    const std::string_view name = next(value, '=');
    bool* seen = name == "server_no_context_takeover"   ? &server_takeover
                 : name == "client_no_context_takeover" ? &client_takeover
                 : name == "client_max_window_bits"     ? &client_window
                                                        : nullptr;
    if (seen == nullptr || *seen) return false;
    *seen = true;
    if (has_value && (seen != &client_window || value.empty() || !is_window(value))) return false;
  }
  return true;
}

bool is_broken_safari(std::string_view agent) {
  const auto version = agent.find("Version/15.");
  if (version == std::string_view::npos || agent.find("Safari/") == std::string_view::npos) return false;
  const auto minor = agent.substr(version + 11);
  return !minor.empty() && minor[0] >= '0' && minor[0] <= '3' &&
         (minor.size() == 1 || minor[1] < '0' || minor[1] > '9');
}

}  // namespace

std::size_t choose_offer(std::string_view offers, std::string_view user_agent) {
  if (offers.find_first_of("\t\"") != std::string_view::npos || is_broken_safari(user_agent)) return 0;
  std::size_t number = 0;
  std::size_t chosen = 0;
  bool bare = false;  // the chosen one has no parameters: the library reads on, and drops the connection at a
                      // second offer
  while (!offers.empty()) {
    std::string_view offer = next(offers, ',');
    const bool with_parameters = offer.find(';') != std::string_view::npos;
    if (next(offer, ';') != "permessage-deflate") continue;
    ++number;
    if (chosen != 0 && bare) chosen = 0;
    if (chosen != 0 || !acceptable(offer)) continue;
    chosen = number;
    bare = !with_parameters;
  }
  return chosen;
}

}  // namespace tocsin::edge
