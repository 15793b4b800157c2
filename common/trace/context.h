#pragma once
// The W3C Trace Context of who published: 24 bytes, the id of the trace and that of the span that caused the
// publish. It travels with the draft to the broker; with the update goes the trace's id alone. Pure
// functions.
#include <string>
#include <string_view>

namespace tocsin::trace {

inline constexpr std::size_t kTraceIdBytes = 16;
inline constexpr std::size_t kSpanIdBytes = 8;
inline constexpr std::size_t kContextBytes = kTraceIdBytes + kSpanIdBytes;

/// The context that the header "traceparent" names. Empty when there is nothing to go on with: it is not
/// well-formed, its ids are zero, its version is ff, or it is not sampled. What a later version has behind
/// the four fields is passed over.
[[nodiscard]] std::string parse_traceparent(std::string_view header);
/// Bytes as hexadecimal digits.
[[nodiscard]] std::string hex(std::string_view bytes);

}  // namespace tocsin::trace
