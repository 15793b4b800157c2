#pragma once
// Exporter: posts a Tracer's spans once a second to an OTLP collector (OTLP/HTTP, JSON). A collector that is
// away or slow costs spans, counted, and nothing else: one request is under way at most.
//
// Thread: the loop's.
#include <memory>
#include <string>

#include "common/http/client.h"
#include "common/loop/handles.h"
#include "common/trace/metrics.h"
#include "common/trace/settings.h"
#include "common/trace/tracer.h"

namespace tocsin::trace {

class Exporter {
 public:
  /// Fails with invalid_argument when the endpoint is no URL. Throws as http::Context does.
  [[nodiscard]] static Result<std::unique_ptr<Exporter>> start(loop::Loop& loop, const Settings& settings,
                                                               std::string instance, Metrics& metrics);
  [[nodiscard]] Tracer& tracer() noexcept { return tracer_; }

 private:
  Exporter(loop::Loop& loop, const Settings& settings, std::string instance, Metrics& metrics);
  void post();

  const std::string endpoint_;
  Metrics& metrics_;
  Tracer tracer_;
  http::Context context_;
  http::Client client_;
  loop::Timer timer_;
  bool under_way_ = false;
};

}  // namespace tocsin::trace
