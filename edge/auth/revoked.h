#pragma once
// Revoked: the tokens and subjects that were taken back, as far as this edge was told. The broker's list is
// durable and told again whenever an edge connects; here it only grows until its entries end.
//
// Thread: the loop.
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/auth/token.h"
#include "proto/link_message.h"

namespace tocsin::edge {

class Revoked {
 public:
  /// True when something is new.
  bool add(const std::vector<link::Revocation>& revocations);
  /// A subject's tokens are taken back when they were issued up to that moment, or do not say when.
  [[nodiscard]] bool covers(const auth::Principal& principal) const;
  void forget_ended(std::int64_t now_ms);
  [[nodiscard]] std::size_t size() const noexcept { return tokens_.size() + subjects_.size(); }
  [[nodiscard]] std::vector<link::Revocation> all() const;

 private:
  struct Ends {
    std::int64_t before_ms = 0;
    std::int64_t until_ms = 0;
  };
  using Names = std::unordered_map<std::string, Ends>;
  Names tokens_;
  Names subjects_;
};

}  // namespace tocsin::edge
