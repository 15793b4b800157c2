#include "ops/supervisor/k8s/objects.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace tocsin::ops::k8s {
namespace {

constexpr std::uint64_t kCrashes = 3;  ///< in a row until a container counts as one that cannot start
constexpr std::size_t kShown = 300;    ///< bytes of an answer that is no Status

std::string text_at(const json::Value* object, std::string_view member) {
  const json::Value* found = object == nullptr ? nullptr : json::find(*object, member);
  return found != nullptr && found->IsString() ? std::string(json::view(*found)) : std::string();
}

std::uint64_t number_at(const json::Value* object, std::string_view member) {
  const json::Value* found = object == nullptr ? nullptr : json::find(*object, member);
  return found != nullptr && found->IsUint64() ? found->GetUint64() : 0;
}

const json::Value* at(const json::Value* object, std::string_view member) {
  return object == nullptr ? nullptr : json::find(*object, member);
}

/// The reasons with which the kubelet says that waiting does not help.
bool hopeless(std::string_view reason, std::uint64_t restarts) {
  constexpr auto kReasons = std::to_array<std::string_view>(
      {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CreateContainerError",
       "CreateContainerConfigError", "RunContainerError"});
  if (reason == "CrashLoopBackOff") return restarts >= kCrashes;
  return std::find(kReasons.begin(), kReasons.end(), reason) != kReasons.end();
}

bool is_ready(const json::Value* status) {
  const json::Value* conditions = at(status, "conditions");
  if (conditions == nullptr || !conditions->IsArray()) return false;
  for (const json::Value& condition : conditions->GetArray())
    if (text_at(&condition, "type") == "Ready") return text_at(&condition, "status") == "True";
  return false;
}

void read_containers(const json::Value* status, Pod& pod) {
  const json::Value* containers = at(status, "containerStatuses");
  if (containers == nullptr || !containers->IsArray()) return;
  for (const json::Value& container : containers->GetArray()) {
    const json::Value* state = json::find(container, "state");
    pod.running = pod.running || at(state, "running") != nullptr;
    const json::Value* waiting = at(state, "waiting");
    const std::string reason = text_at(waiting, "reason");
    if (!hopeless(reason, number_at(&container, "restartCount"))) continue;
    const std::string more = text_at(waiting, "message");
    pod.trouble = pod.name + " cannot start: " + reason + (more.empty() ? "" : ", " + more);
  }
}

}  // namespace

std::string meta_text(const json::Value& object, std::string_view member) {
  return text_at(json::find(object, "metadata"), member);
}

std::int64_t ordinal_in(std::string_view set, std::string_view pod) {
  if (pod.size() < set.size() + 2 || !pod.starts_with(set) || pod[set.size()] != '-') return -1;
  pod.remove_prefix(set.size() + 1);
  std::int64_t number = -1;
  const auto [end, failed] = std::from_chars(pod.data(), pod.data() + pod.size(), number);
  const bool whole = failed == std::errc{} && end == pod.data() + pod.size() && pod.front() != '-';
  return whole ? number : -1;
}

Pod parse_pod(const json::Value& object) {
  Pod pod;
  const json::Value* meta = json::find(object, "metadata");
  const json::Value* status = json::find(object, "status");
  pod.name = text_at(meta, "name");
  pod.uid = text_at(meta, "uid");
  pod.terminating = !text_at(meta, "deletionTimestamp").empty();
  pod.revision = text_at(at(meta, "labels"), "controller-revision-hash");
  const json::Value* owners = at(meta, "ownerReferences");
  if (owners != nullptr && owners->IsArray())
    for (const json::Value& owner : owners->GetArray())
      if (text_at(&owner, "kind") == "StatefulSet") pod.set = text_at(&owner, "name");
  pod.ordinal = ordinal_in(pod.set, pod.name);
  pod.ip = text_at(status, "podIP");
  pod.phase = text_at(status, "phase");
  pod.ready = is_ready(status);
  read_containers(status, pod);
  // One that has ended for good keeps its object until somebody deletes it.
  if (pod.phase == "Failed" || pod.phase == "Succeeded") pod.running = false;
  return pod;
}

StatefulSet parse_set(const json::Value& object) {
  StatefulSet set;
  set.name = meta_text(object, "name");
  const json::Value* spec = json::find(object, "spec");
  set.replicas = at(spec, "replicas") == nullptr ? 1 : number_at(spec, "replicas");
  set.partition = number_at(at(at(spec, "updateStrategy"), "rollingUpdate"), "partition");
  set.update_revision = text_at(json::find(object, "status"), "updateRevision");
  return set;
}

std::string message_of(std::uint16_t status, std::string_view body) {
  const auto document = json::parse(body);
  std::string said = document ? text_at(&*document, "message") : std::string();
  if (said.empty()) said = body.substr(0, std::min(body.size(), kShown));
  return "the API server answered " + std::to_string(status) + (said.empty() ? "" : ": " + said);
}

}  // namespace tocsin::ops::k8s
