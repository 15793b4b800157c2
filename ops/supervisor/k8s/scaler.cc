#include "ops/supervisor/k8s/scaler.h"

#include <algorithm>

#include "ops/supervisor/k8s/objects.h"

namespace tocsin::ops::k8s {

void Scaler::at_least(std::uint64_t replicas) {
  goal_ = {true, goal_ && goal_->more ? std::max(goal_->replicas, replicas) : replicas};
}

void Scaler::at_most(std::uint64_t replicas) {
  goal_ = {false, goal_ && !goal_->more ? std::min(goal_->replicas, replicas) : replicas};
}

bool Scaler::met() const { return goal_->more ? *now_ >= goal_->replicas : *now_ <= goal_->replicas; }

Scaler::Ask Scaler::tick(Instant now) {
  if (asking_ || !goal_ || !retry_.due(now)) return Ask::nothing;
  if (now_ && met()) {
    goal_.reset();
    now_.reset();
    trouble_.clear();
    return Ask::nothing;
  }
  asking_ = true;
  if (!now_) return Ask::read;
  to_ = goal_->replicas;
  return Ask::patch;
}

Call Scaler::call() const {
  if (!now_) return {"GET", path_, {}};
  return {"PATCH", path_,
          "{\"metadata\":{\"resourceVersion\":" + json::quoted(version_) +
              "},\"spec\":{\"replicas\":" + std::to_string(to_) + "}}"};
}

void Scaler::read_done(Instant now, const Answer& answer) {
  asking_ = false;
  const auto document = succeeded(answer) ? json::parse(answer->body) : Result<json::Document>(Error{});
  const json::Value* spec = document ? json::find(*document, "spec") : nullptr;
  if (!succeeded(answer) || !document || !document->IsObject()) {
    trouble_ = succeeded(answer) ? "the API server sent no Scale" : reason_of(answer);
    return retry_.failed(now);
  }
  // Zero replicas are left out.
  const auto replicas = spec == nullptr ? Result<std::optional<std::uint64_t>>(std::optional<std::uint64_t>{})
                                        : json::uint_member(*spec, "replicas");
  now_ = replicas ? replicas->value_or(0) : 0;
  version_ = meta_text(*document, "resourceVersion");
}

void Scaler::patched(Instant now, const Answer& answer) {
  asking_ = false;
  if (conflicts(answer)) {  // read again, and patch what is there now
    ++conflicts_;
    now_.reset();
    return retry_.failed(now);
  }
  if (!succeeded(answer)) {
    trouble_ = reason_of(answer);
    now_.reset();
    return retry_.failed(now);
  }
  retry_.succeeded();
  now_ = to_;
}

}  // namespace tocsin::ops::k8s
