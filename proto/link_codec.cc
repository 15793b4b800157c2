// Bytes <-> structs of link_message.h: what makes up the traffic by hand, the rest through protobuf.
#include <google/protobuf/arena.h>
#include <google/protobuf/stubs/logging.h>

#include <array>
#include <cassert>
#include <limits>
#include <type_traits>
#include <utility>

#include "proto/link_pb.h"
#include "proto/traffic_codec.h"

namespace tocsin::link {
namespace {

constexpr auto kCodes = std::to_array<Errc>({
#define ERRC(name, wire_code, retry, text) Errc::name,
#include "common/errc.def"
#undef ERRC
});

/// Broken bytes are an answer to the caller, not a line on stderr for each: a hostile peer could fill the
/// disk with them.
[[maybe_unused]] const auto kQuiet = google::protobuf::SetLogHandler(nullptr);

bool fits_protobuf(std::string_view bytes) noexcept {
  return bytes.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max());
}

}  // namespace

Fault fault_of(const Error& error) { return {std::string(describe(error.code).name), error.detail}; }

Error error_of(const Fault& fault) {
  for (const Errc code : kCodes)
    if (describe(code).name == fault.code) return Error{code, fault.detail};
  return Error{Errc::internal, fault.code + ": " + fault.detail};
}

std::string encode(const Message& message) {
  return std::visit(
      [](const auto& m) {
        using M = std::decay_t<decltype(m)>;
        if constexpr (std::is_same_v<M, Publish> || std::is_same_v<M, Updates> ||
                      std::is_same_v<M, PublishResult>) {
          return encode(m);
        } else {
          google::protobuf::Arena arena;
          auto& frame = *google::protobuf::Arena::CreateMessage<pb::LinkFrame>(&arena);
          put(frame, m);
          return frame.SerializeAsString();
        }
      },
      message);
}

/// A LinkFrame with a SessionPut and an entry of SessionPuts differ in their first byte only, the field's
/// number.
std::string encode_session_puts(std::span<const std::string> session_puts) {
  [[maybe_unused]] constexpr char kPut = 10U << 3U | 2U;
  constexpr char kPuts = 13U << 3U | 2U;
  constexpr char kEntry = 1U << 3U | 2U;
  std::size_t size = 0;
  for (const auto& bytes : session_puts) size += bytes.size();
  std::string out{kPuts};
  for (std::size_t left = size; left != 0; left >>= 7U)
    out.push_back(static_cast<char>((left & 0x7FU) | (left > 0x7FU ? 0x80U : 0U)));
  for (const auto& bytes : session_puts) {
    assert(bytes.front() == kPut);
    out.push_back(kEntry);
    out.append(bytes, 1);
  }
  return out;
}

Result<Message> decode(std::string_view bytes) {
  if (auto traffic = decode_traffic(bytes)) return *std::move(traffic);
  pb::LinkFrame frame;
  if (!fits_protobuf(bytes) || !frame.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return Error{Errc::invalid_argument, "not a link message"};
  return take(frame);
}

}  // namespace tocsin::link
