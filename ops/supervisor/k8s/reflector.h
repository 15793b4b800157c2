#pragma once
// Reflector: keeps a copy of a list of objects in step with the API server: lists, then watches from the
// list's resourceVersion. Sans-IO: the owner asks tick() what to send and hands the answers in.
//
//   listing -> watching -> (dropped: watching again from the last version) -> ...
//   410 Gone, as an answer or as an event; a line that makes no sense; three watches that fail -> listing
//
// Invariant: what the sink was told is what the server had at version(), or a prefix of what happened since.
// Thread: the supervisor's loop.
#include <string>
#include <string_view>

#include "common/json/json.h"
#include "ops/supervisor/k8s/call.h"
#include "ops/supervisor/k8s/retry.h"

namespace tocsin::ops::k8s {

class Reflector {
 public:
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual void clear() = 0;  ///< a new list follows, object by object
    virtual void put(const json::Value& object) = 0;
    virtual void drop(const json::Value& object) = 0;
  };
  enum class Ask : std::uint8_t { nothing, list, watch };
  static constexpr std::size_t kMaxLine = 4U << 20U;  ///< bytes of an event; longer ones are nonsense
  static constexpr Millis kWatch{240'000};            ///< after which the server ends a watch
  static constexpr Millis kSilence = kWatch + Millis{30'000};
  static constexpr Millis kDecent{5'000};  ///< a watch that lasted so long was none that failed
  static constexpr std::uint64_t kFailedWatches = 3;

  /// `collection` is the path with a query that selects, e.g. /api/v1/namespaces/n/pods?labelSelector=x.
  Reflector(std::string collection, Sink& sink, Random& random)
      : collection_(std::move(collection)), sink_(sink), retry_(random) {}

  [[nodiscard]] Ask tick(Instant now);
  /// Of what tick() asked for.
  [[nodiscard]] std::string path() const;

  void listed(Instant now, const Answer& answer);
  /// A piece of the watch's answer; lines end anywhere. False: it is to be ended, nothing in it counts now.
  [[nodiscard]] bool watched(std::string_view bytes);
  void watch_ended(Instant now, const Answer& answer);

  [[nodiscard]] bool synced() const noexcept { return synced_; }
  [[nodiscard]] const std::string& version() const noexcept { return version_; }
  [[nodiscard]] std::uint64_t lists() const noexcept { return lists_; }
  [[nodiscard]] std::uint64_t failures() const noexcept { return failures_; }
  /// Why nothing comes now; empty: all is well.
  [[nodiscard]] const std::string& trouble() const noexcept { return trouble_; }

 private:
  enum class State : std::uint8_t { list_next, listing, watch_next, watching };
  void take_line(std::string_view line);
  void take_event(std::string_view type, const json::Value& object);
  void start_over(std::string why);
  void fail(Instant now, std::string why);

  std::string collection_;
  Sink& sink_;
  Retry retry_;
  State state_ = State::list_next;
  std::string version_;
  std::string line_;    ///< the beginning of one
  Instant since_{};     ///< this watch
  bool over_ = false;   ///< what this watch still says is not believed: a list comes next
  bool heard_ = false;  ///< this watch has said something
  bool synced_ = false;
  std::uint64_t lists_ = 0;
  std::uint64_t failures_ = 0;
  std::string trouble_;
};

}  // namespace tocsin::ops::k8s
