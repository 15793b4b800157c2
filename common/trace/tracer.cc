#include "common/trace/tracer.h"

#include <algorithm>
#include <utility>

#include "common/json/json.h"
#include "common/trace/context.h"

namespace tocsin::trace {
namespace {

constexpr std::uint64_t kSampling = 0x7472616365210001ULL;
constexpr std::uint64_t kTraceHigh = 0x7472616365210002ULL;
constexpr std::uint64_t kTraceLow = 0x7472616365210003ULL;
constexpr std::uint64_t kSpan = 0x7472616365210004ULL;

/// FNV-1a, mixed at the end: the same in every process and release.
std::uint64_t hash(std::string_view text, std::uint64_t seed) noexcept {
  std::uint64_t h = 0xcbf29ce484222325ULL ^ seed;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  h ^= h >> 33U;
  h *= 0xff51afd7ed558ccdULL;
  h ^= h >> 33U;
  return h;
}

std::string hex(std::uint64_t value) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out(16, '0');
  for (std::size_t i = 16; i-- > 0; value >>= 4U) out[i] = kDigits[value & 15U];
  return out;
}

std::string_view name_of(Stage stage) noexcept {
  constexpr std::array<std::string_view, 3> kNames{"publish", "commit", "deliver"};
  return kNames[static_cast<std::size_t>(stage)];
}

void attribute(std::string& out, std::string_view key, std::string_view value) {
  out.append(out.ends_with('[') ? "" : ",").append(R"({"key":")").append(key);
  out.append(R"(","value":{"stringValue":)");
  json::append_quoted(out, json::valid_utf8(value) ? value : "?");
  out.append("}}");
}

}  // namespace

std::string trace_id(std::string_view event_id) {
  return hex(hash(event_id, kTraceHigh)) + hex(hash(event_id, kTraceLow) | 1U);
}

std::string span_id(std::string_view event_id, Stage stage, std::string_view instance) {
  // The first two stages happen once, whoever sees to them: the next one knows its parent.
  std::string text(event_id);
  text.append("\n").append(name_of(stage));
  if (stage == Stage::deliver) text.append("\n").append(instance);
  return hex(hash(text, kSpan) | 1U);
}

bool Tracer::sampled(std::string_view event_id) const noexcept {
  return hash(event_id, kSampling) % one_in_ == 0;
}

void Tracer::add(Span span) {
  if (spans_.size() >= kMaxSpans) {
    ++dropped_;
    return;
  }
  spans_.push_back(std::move(span));
}

void Tracer::append(std::string& out, const Span& span) const {
  constexpr int kServer = 2;
  constexpr int kProducer = 4;
  constexpr int kConsumer = 5;
  const int kind = span.stage == Stage::publish  ? kServer
                   : span.stage == Stage::commit ? kConsumer
                                                 : kProducer;
  const std::string_view trace = span.trace;
  const bool joined = trace.size() >= kTraceIdBytes;
  out.append(R"({"traceId":")")
      .append(joined ? hex(trace.substr(0, kTraceIdBytes)) : trace_id(span.event_id));
  out.append(R"(","spanId":")").append(span_id(span.event_id, span.stage, instance_)).append("\"");
  if (span.root && trace.size() == kContextBytes) {
    out.append(R"(,"parentSpanId":")").append(hex(trace.substr(kTraceIdBytes))).append("\"");
  } else if (!span.root && span.stage != Stage::publish) {
    const Stage parent = span.stage == Stage::commit ? Stage::publish : Stage::commit;
    out.append(R"(,"parentSpanId":")").append(span_id(span.event_id, parent, {})).append("\"");
  }
  out.append(R"(,"name":"tocsin.)").append(name_of(span.stage)).append(R"(","kind":)");
  out.append(std::to_string(kind));
  out.append(R"(,"startTimeUnixNano":")").append(std::to_string(span.start_us)).append("000\"");
  out.append(R"(,"endTimeUnixNano":")").append(std::to_string(std::max(span.end_us, span.start_us)));
  out.append(R"(000","attributes":[)");
  attribute(out, "tocsin.channel", span.channel);
  attribute(out, "tocsin.event_id", span.event_id);
  if (span.offset > 0) attribute(out, "tocsin.offset", std::to_string(span.offset));
  out.append(R"(],"status":{)");
  if (!span.error.empty()) {
    out.append(R"("code":2,"message":)");
    json::append_quoted(out, json::valid_utf8(span.error) ? std::string_view(span.error) : "?");
  }
  out.append("}}");
}

std::string Tracer::take() {
  if (spans_.empty()) return {};
  std::string out = R"({"resourceSpans":[{"resource":{"attributes":[)";
  attribute(out, "service.name", service_);
  attribute(out, "service.instance.id", instance_);
  out.append(R"(]},"scopeSpans":[{"scope":{"name":"tocsin"},"spans":[)");
  for (bool first = true; const Span& span : spans_) {
    if (!std::exchange(first, false)) out.push_back(',');
    append(out, span);
  }
  spans_.clear();
  return out.append("]}]}]}");
}

}  // namespace tocsin::trace
