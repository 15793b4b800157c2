#include "ops/ctl/move_view.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "ops/ctl/exit_codes.h"

namespace tocsin::ops {
namespace {

constexpr std::uint64_t kWidth = 30;

std::uint64_t number_of(const json::Value& value, std::string_view name) {
  const auto number = json::uint_member(value, name);
  return number ? number->value_or(0) : 0;
}

std::string text_of(const json::Value& value, std::string_view name) {
  const auto text = json::string_member(value, name);
  return text ? std::string(text->value_or("")) : std::string();
}

std::string count(const json::Value& report, const char* name) {
  return std::to_string(number_of(report, name));
}

std::string seconds(std::uint64_t ms) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", static_cast<double>(ms) / 1000.0);
  return text;
}

std::string targets_of(const json::Value& report) {
  const json::Value* targets = json::find(report, "targets");
  std::string out;
  if (targets == nullptr || !targets->IsObject()) return out;
  for (const auto& member : targets->GetObject())
    out += (out.empty() ? "" : ", ") + std::string(json::view(member.name)) + " " + json::text(member.value);
  return out;
}

std::uint64_t gone(const json::Value& report) {
  const std::uint64_t planned = number_of(report, "planned");
  return planned - std::min(planned, number_of(report, "remaining"));
}

}  // namespace

std::string move_name(const json::Value& report) {
  const std::string edge = text_of(report, "edge");
  std::string name = text_of(report, "kind");
  if (name == "restart") name = "rolling restart";
  return edge.empty() ? name : name + " of " + edge;
}

std::string move_state(const json::Value& report) { return text_of(report, "state"); }

bool move_ended(const json::Value& report) {
  const std::string state = move_state(report);
  return state == "done" || state == "deadline" || state == "aborted" || state == "failed";
}

int move_exit_code(const json::Value& report) {
  const std::string state = move_state(report);
  if (state == "done") return kExitOk;
  if (state == "deadline") return kExitDeadline;
  if (state == "aborted") return kExitAborted;
  return kExitFailure;
}

std::string move_line(const json::Value& report) {
  const std::uint64_t planned = number_of(report, "planned");
  std::string out = move_name(report);
  if (const std::string at = text_of(report, "at"); !at.empty()) out += " (" + at + ")";
  if (planned > 0) {
    const auto full = static_cast<std::size_t>(gone(report) * kWidth / planned);
    out += " [" + std::string(full, '#') + std::string(kWidth - full, '.') + "] " +
           std::to_string(gone(report)) + " of " + std::to_string(planned) + " clients";
  }
  if (const std::uint64_t rate = number_of(report, "rate_per_s"); rate > 0)
    out += ", " + std::to_string(rate) + "/s";
  const std::string waits =
      text_of(report, "waits").empty() ? text_of(report, "paused_reason") : text_of(report, "waits");
  if (move_state(report) != "running") out += ", " + move_state(report);
  if (!waits.empty()) out += ": " + waits;
  return out;
}

std::string move_text(const json::Value& report) {
  std::string out = move_name(report) + ": " + move_state(report);
  if (!move_ended(report)) out += ", " + seconds(number_of(report, "elapsed_ms")) + " so far";
  if (move_ended(report)) out += " in " + seconds(number_of(report, "elapsed_ms"));
  if (const auto planned = number_of(report, "planned_ms"); planned > 0)
    out += " (planned " + seconds(planned) + ")";
  if (const std::string reason = text_of(report, "reason"); !reason.empty()) out += ": " + reason;
  if (const std::string waits = text_of(report, "waits"); !waits.empty()) out += "; waits: " + waits;
  out += "\n  plan        " + text_of(report, "id");
  out += "\n  clients     " + count(report, "planned") + " planned, " + count(report, "migrated") +
         " migrated (" + count(report, "resumed") + " resumed, " + count(report, "resumed_snapshot") +
         " by snapshot), " + count(report, "lost") + " lost, " + count(report, "closed") + " closed, " +
         count(report, "left") + " left, " + count(report, "remaining") + " remaining";
  if (const json::Value* blackout = json::find(report, "blackout_ms"); blackout != nullptr)
    out += "\n  blackout    p50 " + count(*blackout, "p50") + " ms, p99 " + count(*blackout, "p99") +
           " ms, longest " + count(*blackout, "max") + " ms; " + count(report, "duplicates_suppressed") +
           " duplicates suppressed";
  out += "\n  handshakes  " + count(report, "peak_handshakes_per_s") + "/s at the peak";
  if (const std::string targets = targets_of(report); !targets.empty()) out += "\n  targets     " + targets;
  return out;
}

MoveProgress::MoveProgress(bool json) : terminal_(!json && ::isatty(STDERR_FILENO) == 1) {}

void MoveProgress::show(const json::Value& report) {
  if (!terminal_) return;
  std::fprintf(stderr, "\r\x1b[K%s", move_line(report).c_str());
  std::fflush(stderr);
  drawn_ = true;
}

void MoveProgress::clear() {
  if (drawn_) std::fputs("\r\x1b[K", stderr);
  drawn_ = false;
}

}  // namespace tocsin::ops
