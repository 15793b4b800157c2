#include "ops/supervisor/alerts/alert_book.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "common/json/json.h"
#include "ops/cluster/members.h"

namespace tocsin::ops {
namespace {

constexpr Millis kRetryFirst{1'000};
constexpr Millis kRetryMost{60'000};

std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, std::abs(value - std::round(value)) < 0.005 ? "%.0f" : "%.2f", value);
  return text;
}

std::string key_of(const AlertRule& rule, const std::string& subject) {
  return std::string(rule.type) + "/" + subject;
}

}  // namespace

std::string Notice::message() const {
  std::string out(rule->message);
  const auto fill = [&out](const char* name, const std::string& text) {
    if (const auto at = out.find(name); at != std::string::npos)
      out.replace(at, std::string_view(name).size(), text);
  };
  fill("{subject}", subject);
  fill("{value}", number_text(value));
  fill("{threshold}", number_text(threshold));
  return out;
}

void AlertBook::begin_look(Instant now, std::int64_t wall_ms) {
  now_ = now;
  wall_ms_ = wall_ms;
  for (auto& [key, alert] : alerts_) alert.seen = false;
}

void AlertBook::see(const AlertRule& rule, const std::string& subject, double value, double threshold) {
  const std::string key = key_of(rule, subject);
  const bool over = rule.below ? value <= threshold : value >= threshold;
  const auto found = alerts_.find(key);
  if (!over && found == alerts_.end()) return;
  Alert& alert = alerts_[key];
  alert.rule = &rule;
  alert.subject = subject;
  alert.seen = over;
  if (!over) return;
  alert.value = value;
  alert.threshold = threshold;
  alert.under.reset();
  if (!alert.over) {
    alert.over = now_;
    if (!alert.firing) alert.since_ms = wall_ms_;
  }
  if (now_ - *alert.over >= rule.hold) alert.firing = true;
}

void AlertBook::end_look(bool maintenance) {
  maintenance_ = maintenance;
  for (auto entry = alerts_.begin(); entry != alerts_.end();) {
    Alert& alert = entry->second;
    if (!alert.seen) {
      alert.over.reset();
      if (!alert.under) alert.under = now_;
      if (alert.firing && now_ - *alert.under >= options_.resolve) alert.firing = false;
    }
    // What nobody knows of needs no end.
    const bool over = !alert.seen && !alert.firing && !alert.known;
    entry = over ? alerts_.erase(entry) : std::next(entry);
  }
}

bool AlertBook::due(const Alert& alert, Instant now) const {
  if (alert.known && !alert.firing) return true;
  if (!alert.firing || (maintenance_ && !alert.rule->in_maintenance)) return false;
  if (!alert.known) return true;
  return options_.repeat.count() > 0 && now - alert.told >= options_.repeat;
}

std::optional<Notice> AlertBook::next(Instant now) const {
  if (now < retry_at_) return std::nullopt;
  for (const auto& [key, alert] : alerts_)
    if (due(alert, now))
      return Notice{key,         alert.firing,    alert.rule,    alert.subject,
                    alert.value, alert.threshold, alert.since_ms};
  return std::nullopt;
}

void AlertBook::delivered(Instant now, const Notice& notice, bool taken) {
  if (!taken) {
    retry_ = std::clamp(retry_ * 2, kRetryFirst, kRetryMost);
    retry_at_ = now + retry_;
    return;
  }
  retry_ = {};
  retry_at_ = {};
  const auto found = alerts_.find(notice.key);
  if (found == alerts_.end()) return;
  ++version_;
  found->second.known = notice.firing;
  found->second.told = now;
  if (!notice.firing && !found->second.firing && !found->second.over) alerts_.erase(found);
}

std::size_t AlertBook::firing() const noexcept {
  return static_cast<std::size_t>(
      std::count_if(alerts_.begin(), alerts_.end(), [](const auto& entry) { return entry.second.firing; }));
}

std::string AlertBook::to_json() const {
  std::string out = "{\"alerts\":[";
  for (const auto& [key, alert] : alerts_) {
    if (!alert.known) continue;
    if (out.back() != '[') out += ',';
    Members members(out);
    members.text("type", alert.rule->type).text("subject", alert.subject).number("since_ms", alert.since_ms);
    members.end();
  }
  return out + "]}";
}

void AlertBook::load(Instant now, std::string_view text,
                     const std::map<std::string, const AlertRule*>& rules) {
  const auto document = json::parse(text);
  const json::Value* list = document ? json::find(*document, "alerts") : nullptr;
  if (list == nullptr || !list->IsArray()) return;
  for (const json::Value& entry : list->GetArray()) {
    const auto type = json::string_member(entry, "type");
    const auto subject = json::string_member(entry, "subject");
    const auto since = json::uint_member(entry, "since_ms");
    const auto rule = rules.find(type ? std::string(type->value_or("")) : std::string());
    if (rule == rules.end() || !subject || !*subject || !since) continue;
    Alert alert;
    alert.rule = rule->second;
    alert.subject = **subject;
    alert.since_ms = static_cast<std::int64_t>(since->value_or(0));
    alert.firing = alert.known = true;
    alert.told = now;
    alerts_[key_of(*alert.rule, alert.subject)] = std::move(alert);
  }
}

}  // namespace tocsin::ops
