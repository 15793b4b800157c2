#include "ops/supervisor/supervised.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "common/exit_code.h"
#include "common/json/json.h"
#include "common/log/log.h"
#include "ops/cluster/file.h"

namespace tocsin::ops {
namespace {

constexpr Millis kReadyPoll{10};

std::string describe_end(const loop::ProcessEnd& end) {
  if (!end.status) return "ended";
  if (WIFSIGNALED(*end.status))
    return std::string("was ended by signal ") + std::to_string(WTERMSIG(*end.status));
  return "exited with code " + std::to_string(WEXITSTATUS(*end.status));
}

std::optional<int> exit_code_of(const loop::ProcessEnd& end) {
  if (end.status && WIFEXITED(*end.status)) return WEXITSTATUS(*end.status);
  return std::nullopt;
}

std::string plain(const json::Value& value) {
  return value.IsString() ? std::string(json::view(value)) : json::text(value);
}

}  // namespace

std::string_view to_text(SupervisedProcess::State state) noexcept {
  constexpr std::array<std::string_view, 6> kTexts{"idle",    "starting", "ready",
                                                   "waiting", "stopping", "stopped"};
  return kTexts[static_cast<std::size_t>(state)];
}

Result<ReadyInfo> read_ready_file(const std::string& path, pid_t pid) {
  const auto text = read_file(path, 65536);
  if (!text) return text.error();
  const auto document = json::parse(*text);
  if (!document) return document.error();
  const auto named = json::uint_member(*document, "pid");
  if (!named || !*named || **named != static_cast<std::uint64_t>(pid))
    return Error{Errc::not_found, "of another process"};
  const auto text_of = [&](std::string_view name) {
    const auto member = json::string_member(*document, name);
    return member && *member ? std::string(**member) : std::string();
  };
  return ReadyInfo{text_of("ingest"), text_of("http"), text_of("ws")};
}

std::string reason_from_log(const std::string& log_file) {
  const std::string line = last_line(log_file);
  const auto document = json::parse(line);
  if (!document || !document->IsObject()) return line;
  std::string out;
  for (const auto& member : document->GetObject()) {
    const auto name = json::view(member.name);
    if (name == "metadata" && member.value.IsObject()) {  // what is told of the circumstances
      for (const auto& fact : member.value.GetObject())
        out += "; " + std::string(json::view(fact.name)) + ": " + plain(fact.value);
      continue;
    }
    if (name == "timestamp" || name == "level" || name == "category" || name == "event_type" ||
        name == "component")
      continue;
    if (name == "message")
      out = plain(member.value) + out;
    else
      out += "; " + std::string(name) + ": " + plain(member.value);
  }
  return out;
}

SupervisedProcess::SupervisedProcess(loop::Loop& loop, const Clock& clock, Spec spec, Limits limits,
                                     Events events)
    : loop_(loop),
      clock_(clock),
      spec_(std::move(spec)),
      limits_(limits),
      events_(std::move(events)),
      policy_(limits.restart),
      timer_(loop) {}

void SupervisedProcess::start() {
  state_ = State::starting;
  timer_.start(Millis{0}, [this] { launch(); });
}

void SupervisedProcess::rest() {
  held_ = true;
  state_ = State::waiting;
}

void SupervisedProcess::launch() {
  ::unlink(spec_.ready_file.c_str());  // the one of the process before would be taken for this one's
  const Instant now = clock_.steady();
  policy_.on_started(now);
  started_ = now;
  state_ = State::starting;
  auto pid = spawn(spec_.program);
  if (!pid) return after_end(std::nullopt, pid.error().detail);
  auto watch = loop::ProcessWatch::open(loop_, *pid, [this](const loop::ProcessEnd& end) { on_end(end); });
  if (!watch) return after_end(std::nullopt, watch.error().detail);
  watch_ = *std::move(watch);
  id_ = identify(*pid).value_or(ProcessId{*pid, 0});
  events_.on_started(*this);
  watch_ready();
}

Status SupervisedProcess::adopt(ProcessId id) {
  if (identify(id.pid) != id) return Error{Errc::not_found, "process " + std::to_string(id.pid) + " is gone"};
  auto watch = loop::ProcessWatch::open(loop_, id.pid, [this](const loop::ProcessEnd& end) { on_end(end); });
  if (!watch) return watch.error();
  if (identify(id.pid) != id) return Error{Errc::not_found, "process " + std::to_string(id.pid) + " is gone"};
  watch_ = *std::move(watch);
  id_ = id;
  state_ = State::starting;
  started_ = clock_.steady();
  policy_.on_started(started_);
  watch_ready();
  return Done{};
}

void SupervisedProcess::watch_ready() {
  timer_.start(Millis{0}, kReadyPoll, [this] { check_ready(); });
}

void SupervisedProcess::check_ready() {
  const Instant now = clock_.steady();
  auto info = read_ready_file(spec_.ready_file, id_->pid);
  if (info) {
    timer_.stop();
    info_ = *std::move(info);
    state_ = State::ready;
    policy_.on_ready(now);
    events_.on_ready(*this);
    return;
  }
  // Later on an edge may have to wait for a broker that is away: only a first start has a deadline.
  if (policy_.was_ready() || now - started_ < limits_.start_timeout) return;
  timer_.stop();
  log::error("not ready in time", {{"process", spec_.name}, {"pid", id_->pid}});
  static_cast<void>(watch_->signal(SIGKILL));
}

void SupervisedProcess::on_end(const loop::ProcessEnd& end) {
  timer_.stop();
  id_.reset();
  if (state_ == State::stopping) return finish_stop();
  after_end(exit_code_of(end), describe_end(end));
}

void SupervisedProcess::after_end(std::optional<int> exit_code, const std::string& how) {
  last_end_ = how;
  const auto delay = policy_.on_ended(clock_.steady(), exit_code);
  if (!delay) {
    state_ = State::stopped;
    const int code = exit_code.value_or(kExitFailure);
    timer_.start(Millis{0}, [this, code] { events_.on_hopeless(*this, code); });
    return;
  }
  state_ = State::waiting;
  if (!held_) timer_.start(*delay, [this] { launch(); });
  events_.on_ended(*this, how);
}

void SupervisedProcess::stop(Farewell how) {
  next_.reset();
  if (state_ == State::stopping) return;
  const bool runs = id_.has_value();
  state_ = State::stopping;
  if (!runs || !watch_->signal(how.signal)) {
    timer_.start(Millis{0}, [this] { finish_stop(); });
    return;
  }
  timer_.start(how.patience, [this] { kill(); });
}

void SupervisedProcess::replace(Spec spec, Farewell how) {
  stop(how);
  next_ = std::move(spec);
}

void SupervisedProcess::hold(bool on) {
  held_ = on;
  if (state_ != State::waiting) return;
  timer_.stop();
  if (!on) timer_.start(Millis{0}, [this] { launch(); });
}

void SupervisedProcess::kill() {
  if (!id_) return;
  log::warn("did not stop, killing it", {{"process", spec_.name}, {"pid", id_->pid}});
  static_cast<void>(watch_->signal(SIGKILL));
}

void SupervisedProcess::finish_stop() {
  timer_.stop();
  state_ = State::stopped;
  ::unlink(spec_.ready_file.c_str());
  if (!next_) return events_.on_stopped(*this);
  spec_ = *std::move(next_);
  next_.reset();
  policy_ = RestartPolicy(limits_.restart);
  last_end_.clear();
  start();
}

}  // namespace tocsin::ops
