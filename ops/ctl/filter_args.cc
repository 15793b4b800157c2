#include "ops/ctl/filter_args.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>

namespace tocsin::ops {
namespace {

Error invalid(std::string what) { return {Errc::invalid_argument, std::move(what)}; }

std::vector<std::string>* list_of(Filter& filter, std::string_view name) {
  if (name == "severity") return &filter.severity;
  if (name == "status") return &filter.status;
  if (name == "kind") return &filter.kind;
  if (name == "category") return &filter.category;
  if (name == "source") return &filter.source;
  if (name == "environment") return &filter.environment;
  if (name == "team") return &filter.team;
  if (name == "incident") return &filter.incident;
  if (name.starts_with("labels.") && name.size() > 7) return &filter.labels[std::string(name.substr(7))];
  return nullptr;
}

}  // namespace

Result<Filter> parse_filter_words(const std::vector<std::string>& words) {
  Filter filter;
  for (const std::string& word : words) {
    const auto equals = word.find('=');
    const auto wrong = [&](std::string_view why) {
      return invalid("--filter " + word + ": " + std::string(why));
    };
    if (equals == std::string::npos || equals + 1 == word.size())
      return wrong("write it as member=value[,value]");
    const std::string_view name = std::string_view(word).substr(0, equals);
    std::string_view values = std::string_view(word).substr(equals + 1);
    if (name == "active") {
      if (values != "true" && values != "false") return wrong("active is true or false");
      filter.active = values == "true";
      continue;
    }
    auto* list = list_of(filter, name);
    if (list == nullptr)
      return wrong(
          "no such member; there are severity, status, kind, category, source, environment, team, incident, labels.<name>, active");
    while (!values.empty()) {
      const auto comma = values.find(',');
      if (const auto value = values.substr(0, comma); !value.empty()) list->emplace_back(value);
      values = comma == std::string_view::npos ? std::string_view{} : values.substr(comma + 1);
    }
  }
  filter.normalise();
  return Filter::parse(std::string_view(filter.canonical()));  // its limits and names of enumerations
}

Result<Position> parse_position(std::string_view text) {
  const auto colon = text.find(':');
  const Error wrong =
      invalid("\"" + std::string(text) + "\" is not epoch:offset (16 hexadecimal digits, a colon, a number)");
  if (colon == std::string_view::npos) return wrong;
  const auto epoch = parse_epoch(text.substr(0, colon));
  if (!epoch) return wrong;
  Position position{*epoch, 0};
  const auto [end, ec] = std::from_chars(text.data() + colon + 1, text.data() + text.size(), position.offset);
  if (ec != std::errc{} || end != text.data() + text.size()) return wrong;
  return position;
}

std::string position_text(const Position& position) {
  return to_text(position.epoch) + ":" + std::to_string(position.offset);
}

Result<Millis> parse_duration(std::string_view text) {
  struct Unit {
    std::string_view name;
    double ms;
  };
  constexpr auto kUnits = std::to_array<Unit>({{"", 1e3}, {"ms", 1}, {"s", 1e3}, {"m", 6e4}, {"h", 3.6e6}});
  double value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  for (const Unit& known : kUnits)
    if (ec == std::errc{} && unit == known.name && value >= 0 && value * known.ms < 1e12)
      return Millis{static_cast<std::int64_t>(std::llround(value * known.ms))};
  return invalid("\"" + std::string(text) + "\" is no duration; write 250ms, 90s, 5m or 2h");
}

Result<double> parse_speed(std::string_view text) {
  if (text == "max") return 0.0;
  double value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  if (ec != std::errc{} || (unit != "x" && !unit.empty()) || !(value > 0) || !(value < 1e9))
    return invalid("--speed " + std::string(text) + ": write max, or a factor like 3600x");
  return value;
}

}  // namespace tocsin::ops
