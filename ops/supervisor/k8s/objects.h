#pragma once
// What the supervisor reads of Kubernetes' objects: pods and the StatefulSet of the edges. Members that are
// absent are empty: an API server of another version must not stop it. Values; any thread.
#include <cstdint>
#include <string>

#include "common/json/json.h"

namespace tocsin::ops::k8s {

struct Pod {
  std::string name;
  std::string uid;
  std::string ip;
  std::string revision;       ///< label controller-revision-hash
  std::string set;            ///< the StatefulSet that owns it
  std::int64_t ordinal = -1;  ///< in its set
  bool running = false;       ///< its container is
  bool ready = false;         ///< its readiness probe says so
  bool terminating = false;
  std::string trouble;  ///< why it cannot start and will not by waiting; empty: it may
  std::string phase;    ///< for people
};

struct StatefulSet {
  std::string name;
  std::uint64_t replicas = 0;   ///< wanted
  std::uint64_t partition = 0;  ///< pods below it keep their revision
  std::string update_revision;  ///< of pods that are made from now on
};

/// metadata.name, .uid, .resourceVersion and the like; empty when absent.
[[nodiscard]] std::string meta_text(const json::Value& object, std::string_view member);

[[nodiscard]] Pod parse_pod(const json::Value& object);
[[nodiscard]] StatefulSet parse_set(const json::Value& object);

/// 3 of "tocsin-edge-3" in the set "tocsin-edge"; -1 for every other name.
[[nodiscard]] std::int64_t ordinal_in(std::string_view set, std::string_view pod);

/// What an API server says in a Status object, or the body's start; for people.
[[nodiscard]] std::string message_of(std::uint16_t status, std::string_view body);

}  // namespace tocsin::ops::k8s
