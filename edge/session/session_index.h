#pragma once
// SessionIndex: session id -> slot. The ids stay with the sessions; this keeps slots only, in one array of
// twice their number, where a map of strings would cost 120 bytes per client.
//
// Invariant: open addressing with linear probing; between an entry's home and its place there is no hole.
// Thread: the loop.
#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

namespace tocsin::edge {

class SessionIndex {
 public:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  using IdOf = std::function<std::string_view(std::uint32_t slot)>;

  explicit SessionIndex(IdOf id_of) : id_of_(std::move(id_of)) {}

  [[nodiscard]] std::uint32_t find(std::string_view id) const {
    if (table_.empty()) return kNone;
    for (std::size_t at = home(id); table_[at] != kNone; at = next(at))
      if (id_of_(table_[at]) == id) return table_[at];
    return kNone;
  }

  /// The session in `slot`, whose id is set, is found from now on. An entry of another slot with the same id
  /// is replaced.
  void insert(std::uint32_t slot) {
    if ((count_ + 1) * 2 > table_.size()) grow();
    const auto id = id_of_(slot);
    std::size_t at = home(id);
    while (table_[at] != kNone && id_of_(table_[at]) != id) at = next(at);
    if (table_[at] == kNone) ++count_;
    table_[at] = slot;
  }

  /// `slot` is not found any more, if it was. Its id is still set.
  void erase(std::uint32_t slot) {
    if (table_.empty()) return;
    std::size_t at = home(id_of_(slot));
    while (table_[at] != kNone && table_[at] != slot) at = next(at);
    if (table_[at] == kNone) return;
    // What stands behind and wants to be here or before moves up.
    for (std::size_t from = next(at); table_[from] != kNone; from = next(from)) {
      const std::size_t wants = home(id_of_(table_[from]));
      if (((from - wants) & mask()) < ((from - at) & mask())) continue;
      table_[at] = table_[from];
      at = from;
    }
    table_[at] = kNone;
    --count_;
  }

 private:
  [[nodiscard]] std::size_t mask() const noexcept { return table_.size() - 1; }
  [[nodiscard]] std::size_t next(std::size_t at) const noexcept { return (at + 1) & mask(); }
  [[nodiscard]] std::size_t home(std::string_view id) const {
    return std::hash<std::string_view>{}(id)&mask();
  }

  void grow() {
    const auto old =
        std::exchange(table_, std::vector<std::uint32_t>(table_.empty() ? 64 : table_.size() * 2, kNone));
    count_ = 0;
    for (const std::uint32_t slot : old)
      if (slot != kNone) insert(slot);
  }

  IdOf id_of_;
  std::vector<std::uint32_t> table_;  ///< a power of two
  std::size_t count_ = 0;
};

}  // namespace tocsin::edge
