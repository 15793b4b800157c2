#pragma once
// TrafficTotals: what all edges did together, out of what each says of itself since its start. An edge that
// starts anew counts from nothing: what it did before stays in the sum. A broker that starts anew knows what
// the edges that are there say.
//
// Thread: the loop.
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "proto/link_message.h"

namespace tocsin::broker {

class TrafficTotals {
 public:
  void told(std::string_view edge, std::uint64_t instance, const link::Traffic& traffic);
  [[nodiscard]] link::Traffic sum() const;

 private:
  struct Known {
    std::uint64_t instance = 0;
    link::Traffic traffic;
  };

  void retire(const Known& known);

  static constexpr std::size_t kMaxEdges = 4'096;

  std::map<std::string, Known, std::less<>> edges_;  ///< those that are gone too
  link::Traffic gone_;                               ///< of earlier lives
};

}  // namespace tocsin::broker
