#pragma once
// IpAddress, Network, Networks: who a client is by its address, and the networks an operator names. An IPv4
// address is kept as ::ffff:a.b.c.d, so that both forms of it are one. Values; any thread.
#include <sys/socket.h>

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace tocsin::net {

class IpAddress {
 public:
  using Bytes = std::array<std::uint8_t, 16>;

  /// Unknown: `::`.
  IpAddress() = default;
  explicit IpAddress(const Bytes& bytes) noexcept : bytes_(bytes) {}
  /// Of IPv4 and IPv6 sockets; unknown for any other.
  static IpAddress of(const sockaddr_storage& address) noexcept;
  static IpAddress v4(std::span<const std::uint8_t, 4> bytes) noexcept;
  /// `192.0.2.1` or `2001:db8::1`, nothing around it.
  static std::optional<IpAddress> parse(std::string_view text);
  /// As proxies write it: also `192.0.2.1:5000`, `[2001:db8::1]`, `[2001:db8::1]:5000`.
  static std::optional<IpAddress> parse_node(std::string_view text);

  [[nodiscard]] bool known() const noexcept { return bytes_ != Bytes{}; }
  [[nodiscard]] bool is_v4() const noexcept;
  /// 127.0.0.0/8 and ::1.
  [[nodiscard]] bool is_loopback() const noexcept;
  [[nodiscard]] const Bytes& bytes() const noexcept { return bytes_; }
  /// Its first `bits` of 128, the others zero.
  [[nodiscard]] IpAddress prefix(unsigned bits) const noexcept;
  /// `192.0.2.1` or `2001:db8::1`; `unknown` when it is.
  [[nodiscard]] std::string text() const;

  auto operator<=>(const IpAddress&) const = default;

 private:
  Bytes bytes_{};
};

/// `10.0.0.0/8`, `2001:db8::/32`, or a single address.
class Network {
 public:
  /// Fails with invalid_argument; bits behind the prefix that are not zero are an error too, since somebody
  /// meant something else.
  static Result<Network> parse(std::string_view text);
  [[nodiscard]] bool contains(const IpAddress& address) const noexcept {
    return address.prefix(bits_) == base_;
  }

 private:
  IpAddress base_;
  unsigned bits_ = 128;  ///< of 128
};

class Networks {
 public:
  /// Fails with invalid_argument: which one, and what is wrong with it.
  static Result<Networks> parse(const std::vector<std::string>& list);
  [[nodiscard]] bool contains(const IpAddress& address) const noexcept;
  [[nodiscard]] bool empty() const noexcept { return networks_.empty(); }

 private:
  std::vector<Network> networks_;
};

}  // namespace tocsin::net
