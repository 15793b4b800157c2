#include "ops/supervisor/k8s/store.h"

#include "ops/cluster/members.h"
#include "ops/supervisor/k8s/objects.h"

namespace tocsin::ops::k8s {

bool Store::written(const std::string& key, const std::string& value) const {
  const auto found = there_.find(key);
  return found != there_.end() && found->second == value;
}

Store::Ask Store::tick(Instant now) {
  if (asking_ || !retry_.due(now)) return Ask::nothing;
  if (!read_next_ && wanted_ == there_) return Ask::nothing;
  asking_ = true;
  return read_next_ ? Ask::read : Ask::write;
}

Call Store::call() {
  if (read_next_) return {"GET", path_, {}};
  sending_ = wanted_;
  std::string out;
  Members object(out);
  object.lead("metadata");
  Members(out).text("resourceVersion", version_).end();
  object.lead("data");
  Members data(out);
  for (const auto& [key, value] : wanted_)
    if (!written(key, value)) data.raw(key, json::quoted(value));
  for (const auto& [key, value] : there_)
    if (!wanted_.contains(key)) data.raw(key, "null");
  data.end();
  object.end();
  return {"PATCH", path_, std::move(out)};
}

void Store::read_done(Instant now, const Answer& answer) {
  asking_ = false;
  const auto document = succeeded(answer) ? json::parse(answer->body) : Result<json::Document>(Error{});
  if (!succeeded(answer) || !document || !document->IsObject()) {
    trouble_ = succeeded(answer) ? "the API server sent no ConfigMap" : reason_of(answer);
    return retry_.failed(now);
  }
  there_.clear();
  const json::Value* data = json::find(*document, "data");
  if (data != nullptr && data->IsObject())
    for (const auto& member : data->GetObject())
      if (member.value.IsString())
        there_.emplace(std::string(json::view(member.name)), std::string(json::view(member.value)));
  version_ = meta_text(*document, "resourceVersion");
  if (!loaded_) wanted_.insert(there_.begin(), there_.end());
  loaded_ = true;
  read_next_ = false;
  trouble_.clear();
  retry_.succeeded();
}

void Store::write_done(Instant now, const Answer& answer) {
  asking_ = false;
  if (!succeeded(answer)) {
    trouble_ = reason_of(answer);
    // What is there and at which version, also when the answer was lost and the write was not.
    read_next_ = true;
    return retry_.failed(now);
  }
  there_ = std::move(sending_);
  const auto document = json::parse(answer->body);
  version_ = document ? meta_text(*document, "resourceVersion") : std::string();
  read_next_ = version_.empty();
  trouble_.clear();
  retry_.succeeded();
}

}  // namespace tocsin::ops::k8s
