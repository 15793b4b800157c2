#pragma once
// Tracer: spans of sampled updates, from their publish to the sockets. Whether an update is traced, and the
// ids of its trace and spans, follow from its event_id: processes agree without a word on the wire. One whose
// publisher brought a trace of its own (context.h) is traced in any case, in that trace.
//
//   publish (the edge that was asked) --> commit (broker) --> deliver (each edge that has clients for it)
//
// Invariant: at most kMaxSpans wait; more are dropped and counted. Costs one hash per update where it is
// asked, nothing where there is no Tracer. Thread: the loop.
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tocsin::trace {

enum class Stage : std::uint8_t { publish, commit, deliver };

struct Span {
  Stage stage{};
  std::string event_id;
  std::string channel;
  std::uint64_t offset = 0;   ///< 0: not known
  std::int64_t start_us = 0;  ///< since 1970
  std::int64_t end_us = 0;
  bool root = false;  ///< nobody's child, whatever its stage
  std::string error;  ///< empty: it went well
  /// Of the publisher: the trace's id, and behind it, for the publish, that of the span before it. Empty:
  /// the trace begins here.
  std::string trace{};
};

class Tracer {
 public:
  static constexpr std::size_t kMaxSpans = 4'096;

  /// `instance`: who makes the spans, "edge-0".
  Tracer(std::uint64_t one_in, std::string service, std::string instance)
      : one_in_(one_in), service_(std::move(service)), instance_(std::move(instance)) {}

  [[nodiscard]] bool sampled(std::string_view event_id) const noexcept;
  /// The same of an update that may have come with a trace.
  [[nodiscard]] bool sampled(std::string_view event_id, std::string_view trace) const noexcept {
    return !trace.empty() || sampled(event_id);
  }
  void add(Span span);
  [[nodiscard]] std::size_t waiting() const noexcept { return spans_.size(); }
  [[nodiscard]] std::uint64_t dropped() const noexcept { return dropped_; }
  /// What waits, as the body of an OTLP request; empty when nothing does.
  [[nodiscard]] std::string take();

 private:
  void append(std::string& out, const Span& span) const;

  const std::uint64_t one_in_;
  const std::string service_;
  const std::string instance_;
  std::vector<Span> spans_;
  std::uint64_t dropped_ = 0;
};

/// 32 and 16 hexadecimal digits.
[[nodiscard]] std::string trace_id(std::string_view event_id);
[[nodiscard]] std::string span_id(std::string_view event_id, Stage stage, std::string_view instance);

}  // namespace tocsin::trace
