#include "ops/supervisor/k8s/lease.h"

#include <algorithm>
#include <ctime>

#include "ops/cluster/members.h"
#include "ops/supervisor/k8s/objects.h"

namespace tocsin::ops::k8s {
namespace {

constexpr const char* kUrlAnnotation = "tocsin.dev/admin-url";

std::string text_of(const json::Value* object, std::string_view member) {
  const json::Value* found = object == nullptr ? nullptr : json::find(*object, member);
  return found != nullptr && found->IsString() ? std::string(json::view(*found)) : std::string();
}

std::uint64_t number_of(const json::Value* object, std::string_view member) {
  const json::Value* found = object == nullptr ? nullptr : json::find(*object, member);
  return found != nullptr && found->IsUint64() ? found->GetUint64() : 0;
}

}  // namespace

std::string micro_time(std::int64_t wall_ms) {
  const std::time_t seconds = wall_ms / 1000;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.", &utc);
  return text + std::to_string(1000 + wall_ms % 1000).substr(1) + "000Z";
}

Lease::Ask Lease::tick(Instant now) {
  if (asking_ || now < next_) return Ask::nothing;
  asking_ = true;
  if (!known_) return Ask::read;
  return may_take(now) ? Ask::write : Ask::read;
}

bool Lease::may_take(Instant now) const {
  // A holder of our own name is this pod before its container was restarted.
  if (holder_.empty() || holder_ == settings_.identity) return true;
  return now - observed_ >= std::max(holder_duration_, Millis{1'000});
}

std::string Lease::body(const std::string& holder, std::int64_t wall_ms) const {
  const bool changes = holder_ != settings_.identity;
  const std::string now = micro_time(wall_ms);
  const auto seconds = std::max<std::int64_t>(1, (settings_.duration.count() + 999) / 1000);
  std::string out;
  Members object(out);
  object.lead("metadata");
  Members meta(out);
  meta.text("resourceVersion", version_);
  meta.lead("annotations");
  Members(out).text(kUrlAnnotation, settings_.admin_url).end();
  meta.end();
  object.lead("spec");
  Members spec(out);
  spec.raw("holderIdentity", json::quoted(holder)).text("renewTime", now);
  spec.number("leaseDurationSeconds", seconds);
  if (changes)
    spec.text("acquireTime", now).number("leaseTransitions", static_cast<std::int64_t>(transitions_ + 1));
  spec.end();
  object.end();
  return out;
}

Call Lease::write_call(Instant now, std::int64_t wall_ms) {
  sending_ = now;
  return {"PATCH", settings_.path, body(settings_.identity, wall_ms)};
}

Call Lease::release_call(std::int64_t wall_ms) const { return {"PATCH", settings_.path, body("", wall_ms)}; }

void Lease::observe(Instant now, const std::string& text) {
  const auto document = json::parse(text);
  if (!document || !document->IsObject()) {
    trouble_ = "the lease does not read back";
    return;
  }
  const json::Value* spec = json::find(*document, "spec");
  const json::Value* meta = json::find(*document, "metadata");
  const json::Value* notes = meta == nullptr ? nullptr : json::find(*meta, "annotations");
  std::string holder = text_of(spec, "holderIdentity"), renewed = text_of(spec, "renewTime");
  if (!known_ || holder != holder_ || renewed != renew_time_) observed_ = now;
  known_ = true;
  version_ = meta_text(*document, "resourceVersion");
  holder_ = std::move(holder);
  renew_time_ = std::move(renewed);
  holder_url_ = text_of(notes, kUrlAnnotation);
  transitions_ = number_of(spec, "leaseTransitions");
  holder_duration_ = Millis{static_cast<std::int64_t>(number_of(spec, "leaseDurationSeconds")) * 1000};
  trouble_.clear();
}

void Lease::read_done(Instant now, const Answer& answer) {
  asking_ = false;
  next_ = now + pause();
  if (!succeeded(answer)) {
    trouble_ = reason_of(answer);
    return;
  }
  observe(now, answer->body);
  if (held_ && holder_ != settings_.identity) held_ = false;
  if (may_take(now)) next_ = now;
}

void Lease::write_done(Instant now, const Answer& answer) {
  asking_ = false;
  next_ = now + pause();
  if (conflicts(answer)) {  // somebody else wrote: who?
    known_ = false;
    next_ = now;
    return;
  }
  if (!succeeded(answer)) {
    trouble_ = reason_of(answer);
    return;
  }
  observe(now, answer->body);
  held_ = holder_ == settings_.identity;
  ever_held_ = ever_held_ || held_;
  renewed_ = sending_;
}

}  // namespace tocsin::ops::k8s
