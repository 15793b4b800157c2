#pragma once
// Call: one request to the API server, and what an answer to it means. Values; any thread.
#include <string>

#include "common/clock.h"
#include "common/http/message.h"
#include "common/result.h"

namespace tocsin::ops::k8s {

using Answer = Result<http::Response>;

struct Call {
  std::string method = "GET";
  std::string path;  ///< with the query
  std::string body;  ///< of a PATCH: a JSON merge patch
};

[[nodiscard]] inline bool succeeded(const Answer& answer) {
  return answer && answer->status >= 200 && answer->status < 300;
}
[[nodiscard]] inline bool conflicts(const Answer& answer) { return answer && answer->status == 409; }
[[nodiscard]] inline bool gone(const Answer& answer) { return answer && answer->status == 410; }
/// Why it failed, for people.
[[nodiscard]] std::string reason_of(const Answer& answer);

}  // namespace tocsin::ops::k8s
