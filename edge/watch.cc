#include "edge/watch.h"

#include <utility>

#include "common/metrics/process.h"
#include "edge/drain/load.h"
#include "edge/link/edge_link.h"
#include "edge/net/tls.h"
#include "edge/session/gateway.h"

namespace tocsin::edge {

Status Watch::start(loop::Loop& loop, Gateway& gateway, EdgeLink& link) {
  if (auto names = check_profiles(config_.exposition.profile); !names)
    return Error{Errc::invalid_argument, "metrics.profile: " + names.error().detail};
  gateway_ = &gateway;
  if (config_.trace.endpoint.empty()) return Done{};
  auto made = trace::Exporter::start(loop, config_.trace, config_.id, traces_);
  if (!made) return made.error();
  exporter_ = *std::move(made);
  gateway.trace(exporter_->tracer());
  link.trace(exporter_->tracer());
  return Done{};
}

link::Traffic Watch::traffic(const Lifetimes& lifetimes) {
  constexpr std::int64_t kSecond = 1'000;
  const std::int64_t now = clock_.wall_ms();
  if (std::exchange(second_, now / kSecond) != now / kSecond) day_ = local_day(now);
  latency_.at(now, metrics_.commit_arrival_seconds);
  return traffic_.read(now, day_, lifetimes);
}

Result<Exposition> Watch::exposition(std::string_view profiles, const LoadMeter& load) {
  ProfileFacts facts;
  facts.server = config_.exposition.server_label;
  facts.tls = Tls::wanted(config_);
  facts.wall_ms = clock_.wall_ms();
  facts.uptime_s = static_cast<double>((clock_.steady() - started_).count()) / 1e3;
  facts.cpu_percent = static_cast<double>(load.cpu_permille()) / 10;
  facts.memory_bytes = metrics::resident_bytes();
  facts.latency = latency_.read(metrics_.commit_arrival_seconds);
  const auto most = static_cast<std::size_t>(config_.exposition.channels);
  if (most > 0 && gateway_ != nullptr && profiles.find("mahavishnu") != std::string_view::npos)
    facts.channels = labels_.count(gateway_->channels(), metrics_.updates_in.value(), most);
  return expose(profiles, metrics_, facts);
}

}  // namespace tocsin::edge
