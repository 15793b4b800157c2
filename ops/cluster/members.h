#pragma once
// Members: writes one JSON object, `"name":value` after `"name":value`. Values; any thread.
#include <cstdint>
#include <string>
#include <string_view>

#include "common/json/json.h"

namespace tocsin::ops {

class Members {
 public:
  explicit Members(std::string& out) : out_(out) { out_ += '{'; }
  /// Left out when `value` is empty.
  Members& text(std::string_view name, std::string_view value) {
    if (value.empty()) return *this;
    lead(name);
    json::append_quoted(out_, value);
    return *this;
  }
  Members& number(std::string_view name, std::int64_t value) {
    lead(name);
    out_ += std::to_string(value);
    return *this;
  }
  Members& flag(std::string_view name, bool value) {
    lead(name);
    out_ += value ? "true" : "false";
    return *this;
  }
  /// `json` is JSON already.
  Members& raw(std::string_view name, std::string_view json) {
    lead(name);
    out_ += json;
    return *this;
  }
  /// Left out when the list is empty.
  template <typename Texts>
  Members& texts(std::string_view name, const Texts& values) {
    if (values.empty()) return *this;
    lead(name);
    out_ += '[';
    for (const auto& value : values) {
      if (out_.back() != '[') out_ += ',';
      json::append_quoted(out_, value);
    }
    out_ += ']';
    return *this;
  }
  /// The value follows by other means.
  void lead(std::string_view name) {
    if (out_.back() != '{') out_ += ',';
    json::append_quoted(out_, name);
    out_ += ':';
  }
  void end() { out_ += '}'; }

 private:
  std::string& out_;
};

}  // namespace tocsin::ops
