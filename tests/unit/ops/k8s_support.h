#pragma once
// What the tests of ops/supervisor/k8s share: answers of an API server, and pods as it writes them.
#include <string>

#include "common/random.h"
#include "ops/supervisor/k8s/call.h"

namespace tocsin::ops::k8s::testing {

/// Always the same: delays are as long as they may be.
class FixedRandom final : public Random {
 public:
  FixedRandom() = default;
  std::uint64_t u64() override { return 0; }
};

inline Answer answer(std::uint16_t code, std::string body) {
  http::Response response;
  response.status = code;
  response.body = std::move(body);
  return response;
}
inline Answer ok(std::string body) { return answer(200, std::move(body)); }
inline Answer status(std::uint16_t code, const std::string& message) {
  return answer(code, R"({"kind":"Status","status":"Failure","message":")" + message + "\"}");
}

struct PodText {
  std::string version = "1";
  std::string set = "e";
  std::string revision = "r1";
  std::string ip = "127.0.0.1";
  bool terminating = false;
};
inline std::string pod_json(const std::string& name, const PodText& with = {}) {
  return R"({"metadata":{"name":")" + name + R"(","uid":"u-)" + name + R"(","resourceVersion":")" +
         with.version + R"(","labels":{"controller-revision-hash":")" + with.revision + "\"}" +
         (with.terminating ? R"(,"deletionTimestamp":"2026-01-01T00:00:00Z")" : "") +
         R"(,"ownerReferences":[{"kind":"StatefulSet","name":")" + with.set +
         R"("}]},"status":{"phase":"Running","podIP":")" + with.ip +
         R"(","containerStatuses":[{"restartCount":0,"state":{"running":{}}}]}})";
}

}  // namespace tocsin::ops::k8s::testing
