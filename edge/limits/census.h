#pragma once
// Census: how many sessions each address and each subject has, here and, as the broker tells, on the other
// edges (LINK.md L-40 to L-43). A session is counted where it lives, once, however many sockets it has while
// it moves.
//
// Invariant: what is kept is bounded by the sessions here and what the broker tells. Thread: the loop.
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "edge/config.h"
#include "proto/link_message.h"

namespace tocsin::edge {

class Census {
 public:
  explicit Census(const Config& config) : config_(config) {}

  /// Some limit needs the whole cluster's counts.
  [[nodiscard]] bool on() const noexcept {
    return config_.cluster_connections > 0 || config_.cluster_connections_per_ip > 0 ||
           config_.cluster_connections_per_subject > 0;
  }
  void enter(const std::string& key) { change(key, 1); }
  void leave(const std::string& key) { change(key, -1); }
  /// Knows nothing any more.
  void reset();
  /// In the cluster, as far as it is known here.
  [[nodiscard]] std::uint64_t count(const std::string& key) const;
  [[nodiscard]] std::uint64_t elsewhere(const std::string& key) const;

  void told(const link::CountsTold& message);
  /// What the broker does not know yet; `whole`: everything, since it knows nothing.
  [[nodiscard]] link::CountsReport report(bool whole);
  [[nodiscard]] bool changed() const noexcept { return !changed_.empty(); }
  /// A report that did not get away.
  void unsaid(const link::CountsReport& report);

  static std::string ip_key(std::string_view address) { return "i" + std::string(address); }
  static std::string subject_key(std::string_view subject) { return "s" + std::string(subject); }
  static const std::string& everybody();

 private:
  struct Entry {
    std::uint32_t here = 0;
    std::uint32_t elsewhere = 0;
    bool changed = false;
  };
  void change(const std::string& key, int by);
  void note(const std::string& key, Entry& entry);

  const Config& config_;
  std::unordered_map<std::string, Entry> entries_;
  std::vector<std::string> changed_;
};

}  // namespace tocsin::edge
