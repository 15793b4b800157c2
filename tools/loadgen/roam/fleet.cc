#include "tools/loadgen/roam/fleet.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iostream>

#include "tools/loadgen/roam/report.h"
#include "tools/loadgen/stream_check.h"

namespace tocsin::loadgen::roam {
namespace {

using std::chrono::duration;
using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr double kConnectSeconds = 60;
constexpr milliseconds kLookEvery{500};
constexpr std::uint32_t kCommands = 0;  // in epoll, where legs have numbers from 1

}  // namespace

Fleet::Fleet(FleetPlan plan)
    : plan_(std::move(plan)),
      history_(plan_.history.empty() ? nullptr : std::make_unique<History>(plan_.history)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      announcer_(*this, plan_.rhythm, history_.get(), zero_) {
  agreed_.resize(plan_.rhythm.channels);
  delivery_.resize(plan_.clients);
}

Fleet::~Fleet() {
  legs_.clear();
  ::close(epoll_);
}

Leg* Fleet::dial(LegOwner& owner, Name name, const Target& target, std::string hello) {
  const std::uint32_t id = next_id_++;
  History* const history = name.client < plan_.recorded ? history_.get() : nullptr;
  auto leg = std::make_unique<Leg>(id, wire_, owner, name, history);
  if (!leg->dial(target, std::move(hello), "")) return nullptr;
  Leg& dialled = *leg;
  legs_.emplace(id, std::move(leg));
  watch(dialled);
  return &dialled;
}

void Fleet::drop(Leg& leg) { dead_.push_back(leg.socket().id()); }

void Fleet::after(milliseconds wait, Roamer& roamer, std::uint32_t token) {
  timers_.push({Clock::now() + wait, &roamer, token});
}

const Target& Fleet::endpoint(std::uint32_t turn) const { return plan_.targets[turn % plan_.targets.size()]; }

void Fleet::watch(Leg& leg) {
  Connection& c = leg.socket();
  const std::uint32_t mask =
      static_cast<std::uint32_t>(EPOLLIN) | (c.wants_write() ? static_cast<std::uint32_t>(EPOLLOUT) : 0U);
  std::uint32_t& armed = armed_[c.id()];
  if (armed == mask) return;
  epoll_event event{};
  event.events = mask;
  event.data.u32 = c.id();
  ::epoll_ctl(epoll_, armed == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, c.fd(), &event);
  armed = mask;
}

void Fleet::on_event(std::uint32_t id, std::uint32_t events) {
  if (id == kCommands) return read_commands();
  const auto found = legs_.find(id);
  if (found == legs_.end() || std::find(dead_.begin(), dead_.end(), id) != dead_.end()) return;
  Leg& leg = *found->second;
  bool alive = true;
  if ((events & EPOLLOUT) != 0U) alive = leg.socket().on_writable();
  if (alive && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0U) alive = leg.socket().on_readable();
  if (alive) return watch(leg);
  leg.owner().ended(leg);
  drop(leg);
}

/// One round of the loop: what came, what is due, what is over.
void Fleet::turn() {
  std::array<epoll_event, 512> events{};
  const int n = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 2);
  for (int i = 0; i < n; ++i) {
    const auto& event = events[static_cast<std::size_t>(i)];
    on_event(event.data.u32, event.events);
  }
  const auto now = Clock::now();
  while (!timers_.empty() && timers_.top().due <= now) {
    const Timer timer = timers_.top();
    timers_.pop();
    timer.roamer->wake(timer.token);
  }
  announcer_.tick(now);
  if (now >= look_at_) {
    look_at_ = now + kLookEvery;
    for (auto& roamer : roamers_) roamer->look(now, plan_.silence);
  }
  for (const std::uint32_t id : dead_) {
    armed_.erase(id);
    legs_.erase(id);
  }
  dead_.clear();
}

void Fleet::news(Roamer& roamer, std::uint64_t offset, std::string_view frame) {
  const std::uint64_t n = number_member(frame, "\"n\"", 0);
  if (n == 0) return;
  roamer.story().number(n);
  const auto now = static_cast<std::uint64_t>(duration_cast<microseconds>(Clock::now() - zero_).count());
  const std::uint64_t due = number_member(frame, "\"t\"", now);
  if (delivery_[roamer.id()] != nullptr) delivery_[roamer.id()]->record(now > due ? now - due : 0);
  Agreed& agreed = agreed_[roamer.id() % plan_.rhythm.channels];
  if (agreed.first == 0) agreed.first = offset;
  if (offset < agreed.first) return;
  const auto at = static_cast<std::size_t>(offset - agreed.first);
  if (at >= agreed.numbers.size()) agreed.numbers.resize(std::max(at + 1, agreed.numbers.size() * 2));
  if (agreed.numbers[at] == 0) agreed.numbers[at] = static_cast<std::uint32_t>(n);
  if (agreed.numbers[at] != n) ++tally_.disagreed;
}

void Fleet::mark(const std::string& name) {
  tally_.phases.push_back({});
  Phase& phase = tally_.phase();
  phase.name = name;
  phase.start = Clock::now();
  for (auto& roamer : roamers_) {
    roamer->mark();
    delivery_[roamer->id()] = roamer->home().empty() ? nullptr : &phase.delivery_us[roamer->home()];
  }
}

bool Fleet::open_all() {
  const std::uint32_t spread =
      plan_.start_on > 0 ? plan_.start_on : static_cast<std::uint32_t>(plan_.targets.size());
  for (std::uint32_t id = 0; id < plan_.clients; ++id)
    roamers_.push_back(std::make_unique<Roamer>(*this, id, announcer_.channel(id % plan_.rhythm.channels),
                                                id / plan_.rhythm.channels % spread));
  const auto end = Clock::now() + duration<double>(kConnectSeconds);
  for (std::uint32_t started = 0; streaming_ < plan_.clients && Clock::now() < end; turn())
    while (started < plan_.clients && started - streaming_ < plan_.connect_burst)
      roamers_[started++]->start();
  return streaming_ == plan_.clients;
}

bool Fleet::settled() const {
  if (!announcer_.all_answered()) return false;
  return std::all_of(roamers_.begin(), roamers_.end(), [this](const auto& r) {
    return r->streaming() && r->story().numbers() >= announcer_.count(r->id() % plan_.rhythm.channels);
  });
}

std::uint64_t Fleet::lost() const {
  std::uint64_t lost = 0;
  for (const auto& r : roamers_)
    lost += r->story().lost(announcer_.acknowledged(r->id() % plan_.rhythm.channels));
  return lost;
}

void Fleet::read_commands() {
  std::array<char, 4096> buffer{};
  const ssize_t n = ::read(STDIN_FILENO, buffer.data(), buffer.size());
  if (n <= 0) {
    stopping_ = true;
    ::epoll_ctl(epoll_, EPOLL_CTL_DEL, STDIN_FILENO, nullptr);
    return;
  }
  typed_.append(buffer.data(), static_cast<std::size_t>(n));
  for (auto end = typed_.find('\n'); end != std::string::npos; end = typed_.find('\n')) {
    const std::string line = typed_.substr(0, end);
    typed_.erase(0, end + 1);
    on_command(line);
  }
}

std::vector<std::string> tokens_of(const std::string& file) {
  std::vector<std::string> out;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);)
    if (!line.empty()) out.push_back(line);
  return out;
}

std::string_view Fleet::token(std::uint32_t client) const {
  return plan_.tokens.empty() ? std::string_view() : plan_.tokens[client % plan_.tokens.size()];
}

/// Others for everybody, who say so at once.
void Fleet::take_tokens(const std::string& file) {
  auto tokens = tokens_of(file);
  if (tokens.empty()) return;
  plan_.tokens = std::move(tokens);
  for (auto& roamer : roamers_) roamer->refresh();
  announcer_.refresh();
}

void Fleet::on_command(const std::string& line) {
  const auto space = line.find(' ');
  const std::string word = line.substr(0, space);
  const std::string rest = space == std::string::npos ? "" : line.substr(space + 1);
  if (word == "mark") {
    mark(rest);
  } else if (word == "endpoints") {
    std::vector<Target> targets;
    for (std::size_t at = 0; at < rest.size();) {
      const auto comma = std::min(rest.find(',', at), rest.size());
      if (const auto target = parse_endpoint(rest.substr(at, comma - at))) targets.push_back(*target);
      at = comma + 1;
    }
    if (!targets.empty()) plan_.targets = std::move(targets);
  } else if (word == "tokens") {
    take_tokens(rest);
  } else if (word == "stop") {
    stopping_ = true;
  }
  std::cout << status_json(tally_, roamers_, announcer_) << std::endl;
}

bool Fleet::run() {
  mark("connect");
  const bool opened = open_all();
  mark("start");
  announcer_.start(Clock::now());
  std::cout << R"({"event":")" << (opened ? "ready" : "not ready") << R"(","streaming":)" << streaming_ << "}"
            << std::endl;
  if (plan_.commands && opened) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u32 = kCommands;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, STDIN_FILENO, &event) != 0) stopping_ = true;
  }
  const auto end = Clock::now() + duration<double>(plan_.seconds);
  while (opened && !stopping_ && (plan_.commands || Clock::now() < end)) turn();
  announcer_.stop();
  const auto last = Clock::now() + duration<double>(plan_.settle_seconds);
  while (opened && !settled() && Clock::now() < last) turn();
  const bool complete = opened && settled();
  if (complete && history_) history_->settled();
  for (auto& roamer : roamers_) roamer->leave();
  const Outcome outcome{.complete = complete, .lost = lost()};
  std::cout << report_json(outcome, tally_, roamers_, announcer_) << std::endl;
  return holds(outcome, tally_, roamers_);
}

}  // namespace tocsin::loadgen::roam
