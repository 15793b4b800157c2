#include "common/trace/context.h"

#include <algorithm>

namespace tocsin::trace {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";

/// Small letters only, as the standard has it. False: it is not that.
bool append_bytes(std::string& out, std::string_view text) {
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    const auto high = kDigits.find(text[i]), low = kDigits.find(text[i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) return false;
    out.push_back(static_cast<char>(high << 4U | low));
  }
  return true;
}

bool all_zero(std::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == '\0'; });
}

}  // namespace

std::string parse_traceparent(std::string_view header) {
  // 00-<32 digits>-<16 digits>-<2 digits>
  constexpr std::size_t kTrace = 3, kSpan = 36, kFlags = 53, kEnd = 55;
  constexpr unsigned kSampled = 1;
  if (header.size() < kEnd || header[2] != '-' || header[kSpan - 1] != '-' || header[kFlags - 1] != '-')
    return {};
  std::string version, context, flags;
  if (!append_bytes(version, header.substr(0, 2)) || version == "\xff") return {};
  const bool known = version.front() == '\0';
  if (header.size() > kEnd && (known || header[kEnd] != '-')) return {};
  if (!append_bytes(context, header.substr(kTrace, 2 * kTraceIdBytes)) || all_zero(context)) return {};
  if (!append_bytes(context, header.substr(kSpan, 2 * kSpanIdBytes)) ||
      all_zero(std::string_view(context).substr(kTraceIdBytes)))
    return {};
  if (!append_bytes(flags, header.substr(kFlags, 2))) return {};
  return (static_cast<unsigned char>(flags.front()) & kSampled) != 0 ? context : std::string();
}

std::string hex(std::string_view bytes) {
  std::string out;
  out.reserve(2 * bytes.size());
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out.push_back(kDigits[byte >> 4U]);
    out.push_back(kDigits[byte & 15U]);
  }
  return out;
}

}  // namespace tocsin::trace
