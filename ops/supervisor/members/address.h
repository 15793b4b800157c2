#pragma once
// Address: one item of members.edges, as an operator gives it. Values; any thread.
#include <cstdint>
#include <string>
#include <vector>

#include "common/result.h"

namespace tocsin::ops::members {

struct Address {
  std::string text;  ///< as it was given
  std::string host;  ///< a name or an address, an IPv6 one without brackets
  std::uint16_t port = 0;
  bool secure = false;

  /// Whether there is an edge at each address of the name. With TLS the name is one edge: it is what the
  /// certificate is for.
  [[nodiscard]] bool many() const noexcept { return !secure; }
  /// "http://10.0.0.3:8080", where `host` is its own or an address that its name has.
  [[nodiscard]] std::string url(const std::string& host) const;
};

/// host:port, http://host:port, https://host:port. What is there twice counts once. Fails with
/// invalid_argument and a sentence that names the row and the item; an empty list is one failure.
[[nodiscard]] Result<std::vector<Address>> parse_addresses(const std::vector<std::string>& items);

}  // namespace tocsin::ops::members
