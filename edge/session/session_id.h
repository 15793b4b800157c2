#pragma once
// SessionId: the 32 hexadecimal digits that name a session, or nothing; in place, since every client has one.
// Values; any thread.
#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace tocsin::edge {

class SessionId {
 public:
  static constexpr std::size_t kSize = 32;

  SessionId() = default;
  /// Empty when `text` has another length.
  explicit SessionId(std::string_view text) noexcept {
    if (text.size() == kSize) std::copy(text.begin(), text.end(), text_.begin());
  }

  [[nodiscard]] bool empty() const noexcept { return text_[0] == '\0'; }
  [[nodiscard]] std::string_view view() const noexcept {
    return empty() ? std::string_view{} : std::string_view{text_.data(), kSize};
  }
  [[nodiscard]] std::string text() const { return std::string(view()); }

 private:
  std::array<char, kSize> text_{};
};

}  // namespace tocsin::edge
