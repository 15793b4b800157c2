#pragma once
// Store: what a supervisor must leave to the next one, in the data of a ConfigMap: plans, cordons,
// maintenance. Sans-IO, as Reflector. A write rests on the version that was read: one who has lost the lease
// meanwhile overwrites nothing unseen.
//
// Invariant: written(key, value) is true only when the API server has said so. Thread: the supervisor's loop.
#include <map>
#include <string>

#include "ops/supervisor/k8s/call.h"
#include "ops/supervisor/k8s/retry.h"

namespace tocsin::ops::k8s {

class Store {
 public:
  enum class Ask : std::uint8_t { nothing, read, write };
  using Data = std::map<std::string, std::string>;

  /// `path` is that of the ConfigMap.
  Store(std::string path, Random& random) : path_(std::move(path)), retry_(random) {}

  void set(const std::string& key, std::string value) { wanted_[key] = std::move(value); }
  void erase(const std::string& key) { wanted_.erase(key); }
  [[nodiscard]] bool written(const std::string& key, const std::string& value) const;

  [[nodiscard]] Ask tick(Instant now);
  [[nodiscard]] Call call();  ///< of what tick() asked for
  void read_done(Instant now, const Answer& answer);
  void write_done(Instant now, const Answer& answer);

  /// It was read: data() is what the one before left, with our own changes.
  [[nodiscard]] bool loaded() const noexcept { return loaded_; }
  [[nodiscard]] const Data& data() const noexcept { return wanted_; }
  [[nodiscard]] const std::string& trouble() const noexcept { return trouble_; }

 private:
  std::string path_;
  Retry retry_;
  bool asking_ = false;
  bool loaded_ = false;
  bool read_next_ = true;
  Data wanted_, there_, sending_;
  std::string version_;
  std::string trouble_;
};

}  // namespace tocsin::ops::k8s
