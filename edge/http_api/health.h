#pragma once
// Health: what an edge says of itself to load balancers, orchestrators and people.
//
//   /health        200 while it may be sent anybody; 503 once it sends its clients elsewhere
//   /health/live   200: it answers
//   /health/ready  200 while it serves new clients well: the broker is there, it is not leaving, and, if
//   health.full says
//                  so, it has room
//   ?detailed=true each check by itself, and figures. health.paths gives the same answers under other names.
//
// Thread: the loop.
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "common/health/checks.h"
#include "edge/config.h"
#include "edge/http_api/http_api.h"

namespace tocsin::edge {

class Health {
 public:
  enum class Kind : std::uint8_t { none, health, live, ready };

  Health(const Config& config, const HttpApi::Sources& sources) : config_(config), sources_(sources) {}

  /// What is asked for at `path`; none: something else.
  [[nodiscard]] Kind kind_of(std::string_view path) const;
  [[nodiscard]] HttpReply reply(Kind kind, bool detailed) const;

  /// Fails with invalid_argument for a health.paths that nobody could ask for.
  [[nodiscard]] static Status check(const Config& config);

 private:
  [[nodiscard]] health::Checks checks(bool leaving, bool full) const;
  [[nodiscard]] std::string details(const health::Checks& checks) const;

  const Config& config_;
  const HttpApi::Sources& sources_;
};

}  // namespace tocsin::edge
