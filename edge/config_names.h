#pragma once
// The settings of an edge that are one of a few words. Values; any thread.
#include <array>
#include <cstdint>
#include <string_view>

#include "common/config/codec.h"

namespace tocsin::edge {

enum class TlsVersion : std::uint8_t { v1_2, v1_3 };
enum class ClientCertificates : std::uint8_t { none, optional, required };
/// What an edge that has limits.clients_max is called.
enum class WhenFull : std::uint8_t { ready, not_ready, unhealthy };
enum class ProxyProtocol : std::uint8_t { off, required };

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
