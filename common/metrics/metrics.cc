#include "common/metrics/metrics.h"

#include <prometheus/check_names.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cassert>
#include <limits>
#include <numeric>
#include <sstream>

namespace tocsin::metrics {

struct Metric::Samples {
  prometheus::MetricFamily family;

  prometheus::ClientMetric& add() { return family.metric.emplace_back(); }
  void add(Kind kind, double value) { put(add(), kind, value); }
  static void put(prometheus::ClientMetric& metric, Kind kind, double value) {
    if (kind == Kind::counter)
      metric.counter.value = value;
    else
      metric.gauge.value = value;
  }
};

Metric::Metric(Registry& registry, Kind kind, std::string_view name, std::string_view help)
    : kind_(kind), name_(name), help_(help), registry_(registry) {
  assert(prometheus::CheckMetricName(std::string{name}));
  assert(std::none_of(registry.metrics_.begin(), registry.metrics_.end(),
                      [&](const Metric* m) { return m->name_ == name; }));
  registry_.metrics_.push_back(this);
}

Metric::~Metric() { std::erase(registry_.metrics_, this); }

void Counter::collect(Samples& out) const { out.add(kind_, static_cast<double>(value())); }

void Gauge::collect(Samples& out) const { out.add(kind_, static_cast<double>(value())); }

void Sampled::collect(Samples& out) const { out.add(kind_, sample_()); }

void Family::collect(Samples& out) const {
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    auto& metric = out.add();
    metric.label.push_back({std::string{label_}, std::string{values_[i]}});
    Samples::put(metric, kind_, static_cast<double>(cells_[i].value()));
  }
}

void SampledFamily::collect(Samples& out) const {
  for (std::size_t i = 0; i < values_.size(); ++i) {
    auto& metric = out.add();
    metric.label.push_back({std::string{label_}, std::string{values_[i]}});
    Samples::put(metric, kind_, sample_(i));
  }
}

std::int64_t Family::total() const noexcept {
  return std::accumulate(cells_.begin(), cells_.end(), std::int64_t{0},
                         [](std::int64_t sum, const Cell& c) { return sum + c.value(); });
}

void Histogram::observe(double v, std::int64_t times) noexcept {
  const auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), v) - bounds_.begin();
  counts_[static_cast<std::size_t>(bucket)].add(times);
  sum_.store(sum_.load(std::memory_order_relaxed) + v * static_cast<double>(times),
             std::memory_order_relaxed);
}

std::int64_t Histogram::count() const noexcept {
  return std::accumulate(counts_.begin(), counts_.end(), std::int64_t{0},
                         [](std::int64_t sum, const Cell& c) { return sum + c.value(); });
}

HistogramState Histogram::state() const {
  HistogramState out{bounds_, {}, sum_.load(std::memory_order_relaxed)};
  std::int64_t cumulative = 0;
  for (const Cell& cell : counts_) out.cumulative.push_back(cumulative += cell.value());
  return out;
}

void Histogram::collect(Samples& out) const {
  auto& h = out.add().histogram;
  std::uint64_t cumulative = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    cumulative += static_cast<std::uint64_t>(counts_[i].value());
    h.bucket.push_back(
        {cumulative, i < bounds_.size() ? bounds_[i] : std::numeric_limits<double>::infinity()});
  }
  h.sample_count = cumulative;
  h.sample_sum = sum_.load(std::memory_order_relaxed);
}

std::string Registry::prometheus_text() const {
  const auto type = [](Kind kind) {
    switch (kind) {
      case Kind::counter:
        return prometheus::MetricType::Counter;
      case Kind::gauge:
        return prometheus::MetricType::Gauge;
      case Kind::histogram:
        break;
    }
    return prometheus::MetricType::Histogram;
  };
  std::vector<prometheus::MetricFamily> families;
  families.reserve(metrics_.size());
  for (const Metric* m : metrics_) {
    Metric::Samples samples;
    samples.family.name = m->name_;
    samples.family.help = m->help_;
    samples.family.type = type(m->kind_);
    m->collect(samples);
    families.push_back(std::move(samples.family));
  }
  std::ostringstream out;
  prometheus::TextSerializer{}.Serialize(out, families);
  return std::move(out).str();
}

std::vector<Description> Registry::descriptions() const {
  std::vector<Description> out;
  out.reserve(metrics_.size());
  for (const Metric* m : metrics_) out.push_back(m->describe());
  return out;
}

}  // namespace tocsin::metrics
