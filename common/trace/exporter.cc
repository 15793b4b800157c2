#include "common/trace/exporter.h"

#include <chrono>
#include <utility>

#include "common/log/log.h"

namespace tocsin::trace {
namespace {

constexpr std::chrono::milliseconds kPeriod{1'000};
constexpr std::chrono::milliseconds kTimeout{5'000};

}  // namespace

Exporter::Exporter(loop::Loop& loop, const Settings& settings, std::string instance, Metrics& metrics)
    : endpoint_(settings.endpoint),
      metrics_(metrics),
      tracer_(static_cast<std::uint64_t>(settings.one_in), settings.service, std::move(instance)),
      context_(loop, {http::Trust::In::authorities, {}}),
      client_(context_),
      timer_(loop) {
  timer_.start(kPeriod, kPeriod, [this] { post(); });
}

Result<std::unique_ptr<Exporter>> Exporter::start(loop::Loop& loop, const Settings& settings,
                                                  std::string instance, Metrics& metrics) {
  const auto url = http::parse_url(settings.endpoint);
  if (!url || (url->scheme != "http" && url->scheme != "https"))
    return Error{
        Errc::invalid_argument,
        "trace.endpoint must be a URL like http://host:4318/v1/traces, not \"" + settings.endpoint + "\""};
  return std::unique_ptr<Exporter>(new Exporter(loop, settings, std::move(instance), metrics));
}

void Exporter::post() {
  if (under_way_) return;
  std::string body = tracer_.take();
  if (body.empty()) return;
  under_way_ = true;
  client_.request("POST", endpoint_, {{"content-type", "application/json"}}, std::move(body), kTimeout,
                  [this](const Result<http::Response>& response) {
                    under_way_ = false;
                    const bool taken = response && response->status / 100 == 2;
                    metrics_.requests[taken ? 0 : 1].add();
                    if (taken) return;
                    const std::string why = response ? "it answered " + std::to_string(response->status)
                                                     : response.error().detail;
                    log::warn("the collector takes no spans; they are lost",
                              {{"endpoint", endpoint_}, {"error_details", why}});
                  });
}

}  // namespace tocsin::trace
