#pragma once
// TextPage: the Prometheus text format, for expositions that give counts under other names than their own
// (common/metrics/metrics.h writes those). Values; any thread.
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "common/metrics/metrics.h"

namespace tocsin::metrics {

class TextPage {
 public:
  using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  /// A new family; its samples follow.
  TextPage& family(Kind kind, std::string_view name, std::string_view help);
  TextPage& sample(double value, Labels labels = {});
  /// The buckets, sum and count of a family that is a histogram; of its bounds those in `bounds`, all of them
  /// when that is empty.
  TextPage& histogram(const HistogramState& state, Labels labels = {}, std::span<const double> bounds = {});
  /// The buckets alone, under the family's name and `suffix`.
  TextPage& buckets(std::string_view suffix, const HistogramState& state, Labels labels,
                    std::span<const double> bounds);

  [[nodiscard]] const std::string& text() const noexcept { return out_; }

 private:
  void line(std::string_view suffix, const Labels& labels, std::string_view le, double value);

  std::string out_;
  std::string name_;
};

/// As a number of the format: 0.1, 3, +Inf.
[[nodiscard]] std::string number_text(double value);

}  // namespace tocsin::metrics
