#pragma once
// The settings of an edge that are one of a few words, and those of /metrics. Values; any thread.
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/config/option.h"

namespace tocsin::edge {

enum class TlsVersion : std::uint8_t { v1_2, v1_3 };
enum class ClientCertificates : std::uint8_t { none, optional, required };
/// What an edge that has limits.clients_max is called.
enum class WhenFull : std::uint8_t { ready, not_ready, unhealthy };
enum class ProxyProtocol : std::uint8_t { off, required };
/// Who reads /metrics.
enum class MetricsAccess : std::uint8_t { open, viewer };

}  // namespace tocsin::edge

template <>
struct tocsin::config::EnumNames<tocsin::edge::TlsVersion> {
  static constexpr auto kNames = std::to_array<std::string_view>({"1.2", "1.3"});
};
template <>
struct tocsin::config::EnumNames<tocsin::edge::WhenFull> {
  static constexpr auto kNames = std::to_array<std::string_view>({"ready", "not_ready", "unhealthy"});
};
template <>
struct tocsin::config::EnumNames<tocsin::edge::ClientCertificates> {
  static constexpr auto kNames = std::to_array<std::string_view>({"none", "optional", "required"});
};
template <>
struct tocsin::config::EnumNames<tocsin::edge::ProxyProtocol> {
  static constexpr auto kNames = std::to_array<std::string_view>({"off", "required"});
};
template <>
struct tocsin::config::EnumNames<tocsin::edge::MetricsAccess> {
  static constexpr auto kNames = std::to_array<std::string_view>({"open", "viewer"});
};

namespace tocsin::edge {

/// Whose names /metrics uses: edge/monitoring/profiles.h.
struct ExpositionSettings {
  std::string profile = "tocsin";
  std::string server_label = "mahavishnu";
  std::int64_t channels = 0;
  MetricsAccess access = MetricsAccess::open;
};
template <auto Part>
constexpr auto exposition_rows() {
  using S = ExpositionSettings;
  return std::to_array(
      {config::option_in<Part, &S::profile>(
           "metrics.profile",
           "Names that /metrics answers with when ?profile= says no others: tocsin, lim, mahavishnu, realtime, "
           "vedfolnir, realtime-json, vedfolnir-json; several with commas.",
           {.min = 1}),
       config::option_in<Part, &S::server_label>(
           "metrics.server_label", "The label \"server\" of the profile mahavishnu.", {.min = 1}),
       config::option_in<Part, &S::channels>(
           "metrics.channels",
           "Channels with a label of their own in the profile mahavishnu, those with the most subscriptions; the rest "
           "is \"other\". Who may read /metrics reads their names. 0: all are \"all\".",
           {.min = 0, .max = 1'000}),
       config::option_in<Part, &S::access>(
           "metrics.access",
           "Who may read /metrics and /websocket/metrics: everybody who reaches the port, or operators only, from the "
           "role viewer on (admin.token_file, admin.roles_file, admin.loopback).")});
}

}  // namespace tocsin::edge
