#pragma once
// Workload: who listens to what, and what the n-th update says. Updates and listeners go round the same
// `shares` (channels, or values of a filter), so how many updates each listener must see is arithmetic, not
// another server's word.
//
// Thread: one.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tools/loadgen/dialect.h"

namespace tocsin::loadgen {

struct WorkloadPlan {
  std::string channel = "load";
  std::string filter = "{}";  ///< of every listener, when filters is 0
  std::uint32_t connections = 1;
  std::uint32_t stalled = 0;   ///< the first so many listeners are not counted on
  std::uint32_t channels = 1;  ///< listeners and updates are spread over so many channels
  std::uint32_t filters =
      0;  ///< not 0: listeners have so many different filters, each update matches one of them
  std::uint32_t payload_bytes = 256;
  std::uint32_t overhead = 190;  ///< of these, what the server's frame has around the payload
  bool incidents = false;        ///< updates are incidents of about payload_bytes in place of padded events
};

class Workload {
 public:
  explicit Workload(WorkloadPlan plan);

  [[nodiscard]] Topic topic(std::uint32_t listener) const;
  /// The update with index `n` (from 0). Views are valid until the next call.
  Message message(std::uint64_t n, std::uint64_t due_us);

  [[nodiscard]] std::uint32_t shares() const noexcept {
    return static_cast<std::uint32_t>(listeners_.size());
  }
  /// Deliveries that the update with index `n` makes.
  [[nodiscard]] std::uint64_t matches(std::uint64_t n) const {
    return listeners_[static_cast<std::size_t>(n % listeners_.size())];
  }
  /// Updates that `listener` must have seen after `published` of them.
  [[nodiscard]] std::uint64_t wanted(std::uint32_t listener, std::uint64_t published) const;

 private:
  [[nodiscard]] std::string channel(std::uint64_t share) const;
  void write_incident(std::uint64_t n, std::string_view payload);
  void write_words(std::size_t bytes, std::uint64_t seed);

  const WorkloadPlan plan_;
  std::vector<std::uint64_t> listeners_;  // by share
  std::string channel_;
  std::string payload_;
  std::string incident_;
  std::string pad_;
};

}  // namespace tocsin::loadgen
