#include "ops/supervisor/k8s/reflector.h"

#include "ops/supervisor/k8s/objects.h"

namespace tocsin::ops::k8s {

std::string reason_of(const Answer& answer) {
  return answer ? message_of(answer->status, answer->body)
                : "the API server does not answer: " + answer.error().detail;
}

Reflector::Ask Reflector::tick(Instant now) {
  if (!retry_.due(now)) return Ask::nothing;
  if (state_ == State::list_next) {
    state_ = State::listing;
    return Ask::list;
  }
  if (state_ != State::watch_next) return Ask::nothing;
  state_ = State::watching;
  since_ = now;
  line_.clear();
  over_ = heard_ = false;
  return Ask::watch;
}

std::string Reflector::path() const {
  if (state_ != State::watching) return collection_;
  const char* more = collection_.find('?') == std::string::npos ? "?" : "&";
  return collection_ + more + "watch=1&allowWatchBookmarks=true&resourceVersion=" + version_ +
         "&timeoutSeconds=" + std::to_string(kWatch.count() / 1000);
}

void Reflector::fail(Instant now, std::string why) {
  trouble_ = std::move(why);
  ++failures_;
  retry_.failed(now);
}

void Reflector::listed(Instant now, const Answer& answer) {
  state_ = State::list_next;
  if (!succeeded(answer)) return fail(now, reason_of(answer));
  const auto document = json::parse(answer->body);
  const json::Value* items = document ? json::find(*document, "items") : nullptr;
  std::string version = document ? meta_text(*document, "resourceVersion") : std::string();
  if (items == nullptr || version.empty()) return fail(now, "the API server sent a list that is none");
  sink_.clear();
  if (items->IsArray())  // null when there are none
    for (const json::Value& item : items->GetArray()) sink_.put(item);
  version_ = std::move(version);
  synced_ = true;
  ++lists_;
  trouble_.clear();
  state_ = State::watch_next;  // the delay is forgotten when a watch has worked
}

bool Reflector::watched(std::string_view bytes) {
  while (!bytes.empty() && !over_) {
    const auto end = bytes.find('\n');
    line_.append(bytes.substr(0, end));
    if (line_.size() > kMaxLine) start_over("an event is longer than any object may be");
    if (end == std::string_view::npos) break;
    bytes.remove_prefix(end + 1);
    if (!line_.empty() && !over_) take_line(line_);
    line_.clear();
  }
  return !over_;
}

void Reflector::take_line(std::string_view line) {
  const auto document = json::parse(line);
  if (!document) return start_over("an event is no JSON: " + document.error().detail);
  const auto type = json::string_member(*document, "type");
  const json::Value* object = json::find(*document, "object");
  if (!type || !*type || object == nullptr) return start_over("an event could not be understood");
  take_event(**type, *object);
}

void Reflector::take_event(std::string_view type, const json::Value& object) {
  if (type == "ERROR") {
    const auto code = json::uint_member(object, "code");
    const auto said = json::string_member(object, "message");
    return start_over("the watch ended with " + std::to_string(code ? code->value_or(0) : 0) + ": " +
                      std::string(said ? said->value_or("") : ""));
  }
  std::string version = meta_text(object, "resourceVersion");
  if (version.empty()) return start_over("an event has no resourceVersion");
  if (type == "ADDED" || type == "MODIFIED")
    sink_.put(object);
  else if (type == "DELETED")
    sink_.drop(object);
  // BOOKMARK only moves the version on.
  version_ = std::move(version);
  heard_ = true;
  trouble_.clear();
}

void Reflector::start_over(std::string why) {
  over_ = true;
  trouble_ = std::move(why);
}

void Reflector::watch_ended(Instant now, const Answer& answer) {
  const bool good = heard_ || now - since_ >= kDecent;
  const bool stale = over_ || gone(answer);
  state_ = stale ? State::list_next : State::watch_next;
  line_.clear();
  if (good) retry_.succeeded();
  if (stale) {
    if (trouble_.empty()) trouble_ = reason_of(answer);
    ++failures_;
    // At once when there was something to lose: what is known is out of date. A server that always says so
    // is not asked all the time.
    if (!good) retry_.failed(now);
    return;
  }
  if (succeeded(answer)) {  // the server's time is up; the next watch goes on where this one was
    if (!good) retry_.failed(now);
    return;
  }
  fail(now, reason_of(answer));
  if (retry_.failures() >= kFailedWatches) state_ = State::list_next;
}

}  // namespace tocsin::ops::k8s
