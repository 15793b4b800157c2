#pragma once
// Reloads: has the cluster's processes read their settings again, the supervisor first, then broker and
// edges, all at once, and gathers what each said. A process that refuses keeps its settings; the others
// follow all the same.
//
// Invariant: each round is answered once, also when a process does not answer. Thread: the supervisor's loop.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/http/client.h"
#include "common/result.h"

namespace tocsin::ops {

class Reloads {
 public:
  /// The supervisor's own: what it did, as JSON.
  using Own = std::function<Result<std::string>(std::string_view why)>;

  /// One of the others.
  struct Process {
    std::string name;
    std::string http;  ///< empty: it serves nobody now
    std::string why;   ///< not
  };
  using Others = std::function<std::vector<Process>()>;

  Reloads(http::Context& context, Others others, std::string token, Own own)
      : others_(std::move(others)), token_(std::move(token)), own_(std::move(own)), client_(context) {}

  /// The rounds after this one have this token.
  void use(std::string token) { token_ = std::move(token); }

  /// `only`: "supervisor", "broker" or an edge; empty: every process. The answer is
  /// {"ok":false,"processes":[{"name":"broker","result":{..}},{"name":"edge-0","error":{"code","detail"}}]}.
  /// Fails with not_found for a name that no process has.
  Status start(std::string_view why, const std::string& only, std::function<void(std::string json)> answer);

 private:
  struct Round;
  void ask(const std::shared_ptr<Round>& round, const Process& process, const std::string& token);

  Others others_;
  std::string token_;
  Own own_;
  http::Client client_;
};

}  // namespace tocsin::ops
