#include "common/metrics/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace tocsin::metrics {
namespace {

void append_label(std::string& out, std::string_view name, std::string_view value) {
  out.append(out.ends_with('{') ? "" : ",").append(name).append("=\"");
  for (const char c : value) {
    if (c == '\\' || c == '"') out.push_back('\\');
    if (c == '\n')
      out.append("\\n");
    else
      out.push_back(c);
  }
  out.push_back('"');
}

}  // namespace

std::string number_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return {text.data(), end};
}

TextPage& TextPage::family(Kind kind, std::string_view name, std::string_view help) {
  constexpr std::array<std::string_view, 3> kKinds{"counter", "gauge", "histogram"};
  name_ = name;
  out_.append("# HELP ").append(name).append(" ").append(help).append("\n# TYPE ").append(name);
  out_.append(" ").append(kKinds[static_cast<std::size_t>(kind)]).append("\n");
  return *this;
}

void TextPage::line(std::string_view suffix, const Labels& labels, std::string_view le, double value) {
  out_.append(name_).append(suffix);
  if (labels.size() > 0 || !le.empty()) {
    out_.push_back('{');
    for (const auto& [name, text] : labels) append_label(out_, name, text);
    if (!le.empty()) append_label(out_, "le", le);
    out_.push_back('}');
  }
  out_.append(" ").append(number_text(value)).append("\n");
}

TextPage& TextPage::sample(double value, Labels labels) {
  line({}, labels, {}, value);
  return *this;
}

TextPage& TextPage::buckets(std::string_view suffix, const HistogramState& state, Labels labels,
                            std::span<const double> bounds) {
  for (std::size_t i = 0; i < state.bounds.size(); ++i)
    if (bounds.empty() || std::find(bounds.begin(), bounds.end(), state.bounds[i]) != bounds.end())
      line(suffix, labels, number_text(state.bounds[i]), static_cast<double>(state.cumulative[i]));
  if (!state.cumulative.empty()) line(suffix, labels, "+Inf", static_cast<double>(state.cumulative.back()));
  return *this;
}

TextPage& TextPage::histogram(const HistogramState& state, Labels labels, std::span<const double> bounds) {
  buckets("_bucket", state, labels, bounds);
  const auto all = static_cast<double>(state.cumulative.back());
  line("_sum", labels, {}, state.sum);
  line("_count", labels, {}, all);
  return *this;
}

}  // namespace tocsin::metrics
