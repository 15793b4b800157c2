#pragma once
// Log: what one channel held in one epoch, as far as anyone saw it. Keeps about 48 bytes a position, in pages
// that exist only where something was seen, so offsets may be anywhere. Thread: one.
#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tests/checker/content.h"
#include "tests/checker/coverage.h"

namespace tocsin::checker {

struct Entry {
  Hash content = 0;  ///< 0: nobody saw it
  Hash event_id = 0;
  Hash body = 0;      ///< kind, key, event
  Hash incident = 0;  ///< the whole incident; 0 for an event
  std::uint32_t traits = 0;
  std::uint32_t key = 0;
  std::uint32_t version = 0;  ///< of the incident; 0 when it has none
};

class Log {
 public:
  Log(std::string channel, std::string epoch) : channel_(std::move(channel)), epoch_(std::move(epoch)) {}

  /// The entry at `offset`, or nullptr when nobody saw it.
  [[nodiscard]] const Entry* at(Offset offset) const;
  Entry& slot(Offset offset);
  void reached(Offset offset) { highest_ = std::max(highest_, offset); }
  /// Highest offset anyone spoke of (delivered, skipped or acknowledged).
  [[nodiscard]] Offset highest() const noexcept { return highest_; }
  [[nodiscard]] const std::string& channel() const noexcept { return channel_; }
  [[nodiscard]] const std::string& epoch() const noexcept { return epoch_; }
  [[nodiscard]] std::string name(Offset offset) const {
    return channel_ + " " + epoch_ + ":" + std::to_string(offset);
  }

  /// f(offset, entry) for every entry seen in from..to, in order.
  template <typename F>
  void each(Offset from, Offset to, F&& f) const {
    for (auto it = pages_.lower_bound(from / kPage); it != pages_.end() && it->first * kPage <= to; ++it)
      for (std::size_t i = 0; i < kPage; ++i)
        if (const Offset o = it->first * kPage + i; o >= from && o <= to && (*it->second)[i].content != 0)
          f(o, (*it->second)[i]);
  }

 private:
  static constexpr std::size_t kPage = 256;
  using Page = std::array<Entry, kPage>;
  std::string channel_;
  std::string epoch_;
  std::map<Offset, std::unique_ptr<Page>> pages_;
  Offset highest_ = 0;
};

/// All logs of the run, by number.
class Logs {
 public:
  std::uint32_t id(std::string_view channel, std::string_view epoch);
  [[nodiscard]] Log& at(std::uint32_t id) { return *logs_[id]; }
  [[nodiscard]] const Log& at(std::uint32_t id) const { return *logs_[id]; }
  [[nodiscard]] std::size_t size() const noexcept { return logs_.size(); }
  /// True when a newer epoch of its channel is known: logs are numbered as they are first heard of.
  [[nodiscard]] bool superseded(std::uint32_t id) const;

 private:
  std::unordered_map<std::string, std::uint32_t> ids_;
  std::vector<std::unique_ptr<Log>> logs_;
};

}  // namespace tocsin::checker
