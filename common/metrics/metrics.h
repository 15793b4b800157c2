#pragma once
// Metrics are members. Declaring one registers it: name, help and labels are written once, in the struct that
// owns it; /metrics, ops/reference/metrics.md and the golden name list are derived. Label values are bounded:
// they are listed at declaration. Counting is one relaxed atomic add, from any thread; scraping is on the
// main loop's thread.
//
//   metrics::Counter published{registry, "tocsin_broker_published_total", "Updates that got a position."};
//   metrics::CounterFamily closes{registry, "tocsin_edge_closes_total", "Closed clients.", "reason",
//   kCloseNames}; closes[reason].add();
#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace tocsin::metrics {

class Registry;

enum class Kind : std::uint8_t { counter, gauge, histogram };

/// What the reference lists about a metric.
struct Description {
  Kind kind;
  std::string_view name;
  std::string_view help;
  std::string_view label;                ///< empty: none
  std::vector<std::string_view> values;  ///< of the label
};

/// A cell that counts. Wait-free.
class Cell {
 public:
  Cell() = default;
  Cell(const Cell&) = delete;
  Cell& operator=(const Cell&) = delete;
  void add(std::int64_t n = 1) noexcept { value_.fetch_add(n, std::memory_order_relaxed); }
  [[nodiscard]] std::int64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

 protected:
  void store(std::int64_t n) noexcept { value_.store(n, std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

/// Lives as long as the object that owns it; must not outlive its Registry. Names and help are literals.
class Metric {
 public:
  Metric(Registry& registry, Kind kind, std::string_view name, std::string_view help);
  virtual ~Metric();
  Metric(const Metric&) = delete;
  Metric& operator=(const Metric&) = delete;

  [[nodiscard]] virtual Description describe() const { return {kind_, name_, help_, {}, {}}; }

 protected:
  struct Samples;  ///< prometheus-cpp's family, seen by metrics.cc only
  friend class Registry;
  virtual void collect(Samples& out) const = 0;

  Kind kind_;
  std::string_view name_;
  std::string_view help_;

 private:
  Registry& registry_;
};

class Counter final : public Metric, public Cell {
 public:
  Counter(Registry& r, std::string_view name, std::string_view help) : Metric(r, Kind::counter, name, help) {}

 private:
  void collect(Samples& out) const override;
};

class Gauge final : public Metric, public Cell {
 public:
  Gauge(Registry& r, std::string_view name, std::string_view help) : Metric(r, Kind::gauge, name, help) {}
  void set(std::int64_t n) noexcept { store(n); }

 private:
  void collect(Samples& out) const override;
};

/// A gauge or counter whose value is read at the scrape: for what is already counted elsewhere.
class Sampled final : public Metric {
 public:
  Sampled(Registry& r, Kind kind, std::string_view name, std::string_view help,
          std::function<double()> sample)
      : Metric(r, kind, name, help), sample_(std::move(sample)) {}

 private:
  void collect(Samples& out) const override;
  std::function<double()> sample_;
};

/// Counters or gauges that differ in one label. Indexed by position, or by an enum whose values count from 0.
class Family : public Metric {
 public:
  Family(Registry& r, Kind kind, std::string_view name, std::string_view help, std::string_view label,
         std::span<const std::string_view> values)
      : Metric(r, kind, name, help),
        label_(label),
        values_(values.begin(), values.end()),
        cells_(values.size()) {}
  Family(Registry& r, Kind kind, std::string_view name, std::string_view help, std::string_view label,
         std::initializer_list<std::string_view> values)
      : Family(r, kind, name, help, label, std::span{values.begin(), values.size()}) {}

  [[nodiscard]] Cell& operator[](std::size_t i) noexcept { return cells_[i]; }
  template <typename E>
  requires std::is_enum_v<E>
  [[nodiscard]] Cell& operator[](E e) noexcept { return cells_[static_cast<std::size_t>(e)]; }
  [[nodiscard]] std::size_t size() const noexcept { return cells_.size(); }
  [[nodiscard]] const Cell& at(std::size_t i) const noexcept { return cells_[i]; }
  template <typename E>
  requires std::is_enum_v<E>
  [[nodiscard]] const Cell& at(E e) const noexcept { return cells_[static_cast<std::size_t>(e)]; }
  [[nodiscard]] std::int64_t total() const noexcept;
  [[nodiscard]] Description describe() const override { return {kind_, name_, help_, label_, values_}; }

 private:
  void collect(Samples& out) const final;
  std::string_view label_;
  std::vector<std::string_view> values_;
  std::vector<Cell> cells_;
};

class CounterFamily final : public Family {
 public:
  CounterFamily(Registry& r, std::string_view name, std::string_view help, std::string_view label,
                std::span<const std::string_view> values)
      : Family(r, Kind::counter, name, help, label, values) {}
  CounterFamily(Registry& r, std::string_view name, std::string_view help, std::string_view label,
                std::initializer_list<std::string_view> values)
      : Family(r, Kind::counter, name, help, label, values) {}
};

/// Sampled, once for each value of a label.
class SampledFamily final : public Metric {
 public:
  using Sample = std::function<double(std::size_t)>;
  SampledFamily(Registry& r, Kind kind, std::string_view name, std::string_view help, std::string_view label,
                std::span<const std::string_view> values, Sample sample)
      : Metric(r, kind, name, help),
        label_(label),
        values_(values.begin(), values.end()),
        sample_(std::move(sample)) {}
  SampledFamily(Registry& r, Kind kind, std::string_view name, std::string_view help, std::string_view label,
                std::initializer_list<std::string_view> values, Sample sample)
      : SampledFamily(r, kind, name, help, label, std::span{values.begin(), values.size()},
                      std::move(sample)) {}

  [[nodiscard]] Description describe() const override { return {kind_, name_, help_, label_, values_}; }

 private:
  void collect(Samples& out) const override;
  std::string_view label_;
  std::vector<std::string_view> values_;
  Sample sample_;
};

/// What a histogram holds at one moment.
struct HistogramState {
  std::vector<double> bounds;
  std::vector<std::int64_t> cumulative;  ///< by bound, and one more for all
  double sum = 0;
};

/// Counts observations up to each bound; bounds ascend. One writer thread.
class Histogram final : public Metric {
 public:
  Histogram(Registry& r, std::string_view name, std::string_view help, std::initializer_list<double> bounds)
      : Metric(r, Kind::histogram, name, help), bounds_(bounds), counts_(bounds.size() + 1) {}

  /// `times` equal observations cost what one does.
  void observe(double v, std::int64_t times = 1) noexcept;
  [[nodiscard]] std::int64_t count() const noexcept;
  [[nodiscard]] HistogramState state() const;

 private:
  void collect(Samples& out) const override;
  std::vector<double> bounds_;
  std::vector<Cell> counts_;
  std::atomic<double> sum_{0};
};

/// One per process, created in main() and passed down: there is no global instance. Metrics are declared
/// before the threads that count start.
class Registry {
 public:
  Registry() = default;
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  /// The text exposition format of Prometheus, 0.0.4.
  [[nodiscard]] std::string prometheus_text() const;
  /// In order of declaration.
  [[nodiscard]] std::vector<Description> descriptions() const;

 private:
  friend class Metric;
  std::vector<const Metric*> metrics_;
};

}  // namespace tocsin::metrics
