#pragma once
// What of traces is set by an operator; rows as in common/log/settings.h.
#include <array>
#include <cstdint>
#include <string>

#include "common/config/option.h"

namespace tocsin::trace {

struct Settings {
  std::string endpoint;
  std::int64_t one_in = 1'000;
  std::string service = "tocsin";
  bool join = true;
};

template <auto Trace>
constexpr auto rows() {
  using config::option_in;
  return std::to_array({
      option_in<Trace, &Settings::endpoint>(
          "trace.endpoint",
          "URL that spans of sampled updates are posted to as OTLP in JSON, http://host:4318/v1/traces; empty: no "
          "traces."),
      option_in<Trace, &Settings::one_in>(
          "trace.one_in",
          "One update in so many is traced, the same ones by every process that says the same here.",
          {.min = 1, .max = 1'000'000'000}),
      option_in<Trace, &Settings::join>(
          "trace.join",
          "An edge traces updates of publishers that send the header traceparent, sampled, in that trace; off: it is not read."),
      option_in<Trace, &Settings::service>("trace.service", "service.name of the spans.", {.min = 1}),
  });
}

}  // namespace tocsin::trace
