// tocsin-sim: runs seeds of the simulated cluster and says which break the promise.
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "common/log/log.h"
#include "tests/sim/cluster.h"

namespace {

using namespace tocsin;
using namespace tocsin::sim;

constexpr const char* kUsage =
    "usage: tocsin-sim [--seeds A..B | --seed N [--trace FILE] | --minutes N] [--jobs N] [--fault NAME] [--keep-going]\n"
    "Simulates a cluster per seed and judges its history. --trace writes the history of one seed (- : standard output);\n"
    "--minutes runs new seeds for so long; --fault brings in a bug by its name in tests/sim/fault.h.\n"
    "Exit code: 0 every seed holds, 1 some do not, 2 usage.\n";

struct Arguments {
  std::uint64_t first = 1;
  std::uint64_t last = 2'000;
  std::string trace;
  std::uint64_t minutes = 0;
  std::uint64_t jobs = 0;
  Fault fault = Fault::none;
  bool keep_going = false;
};

bool number(std::string_view text, std::uint64_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size();
}

bool fault_named(std::string_view name, Fault& out) {
  for (const auto& [known, fault] : kFaults)
    if (known == name) return out = fault, true;
  return false;
}

bool take(const std::string& option, const std::string& value, Arguments& out) {
  if (option == "--seed") return number(value, out.first) && number(value, out.last);
  if (option == "--seeds") {
    const auto dots = value.find("..");
    return dots != std::string::npos && number(std::string_view(value).substr(0, dots), out.first) &&
           number(std::string_view(value).substr(dots + 2), out.last);
  }
  if (option == "--trace") return out.trace = value, true;
  if (option == "--minutes") return number(value, out.minutes);
  if (option == "--jobs") return number(value, out.jobs);
  return option == "--fault" && fault_named(value, out.fault);
}

bool parse(int argc, char** argv, Arguments& out) {
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--keep-going")
      out.keep_going = true;
    else if (++i >= argc || !take(option, argv[i], out))
      return false;
  }
  return out.first <= out.last;
}

int trace(const Arguments& args) {
  std::ofstream file;
  if (args.trace != "-") file.open(args.trace);
  std::ostream& out = args.trace == "-" ? std::cout : file;
  const Outcome result = simulate(args.first, args.fault, &out);
  std::cerr << "seed " << args.first << ": trace " << std::hex << result.trace << std::dec << ", "
            << result.events << " events in " << result.virtual_ms << " virtual ms"
            << (result.quiet ? "" : ", NEVER QUIET") << "\n"
            << (result.complaint.empty() ? "" : result.complaint + "\n") << to_text(result.verdict);
  return result.good() ? 0 : 1;
}

/// What all threads of a run share.
struct Tally {
  std::atomic<std::uint64_t> next;
  std::atomic<std::uint64_t> seeds{0};
  std::atomic<std::uint64_t> bad{0};
  std::atomic<std::uint64_t> events{0};
  std::atomic<std::uint64_t> updates{0};
  std::mutex print;
};

void explain(std::uint64_t seed, const Outcome& result, const char* program, Tally& tally) {
  const std::lock_guard lock(tally.print);
  std::cout << "seed " << seed << (result.quiet ? "" : " never became quiet;") << " " << result.complaint
            << (result.complaint.empty() ? "" : "; ") << to_text(result.verdict) << "  replay: " << program
            << " --seed " << seed << " --trace history.jsonl\n"
            << std::flush;
}

void work(const Arguments& args, std::chrono::steady_clock::time_point until, const char* program,
          Tally& tally) {
  for (;;) {
    const std::uint64_t seed = tally.next++;
    if (args.minutes == 0 ? seed > args.last : std::chrono::steady_clock::now() >= until) return;
    if (!args.keep_going && tally.bad > 0) return;
    const Outcome result = simulate(seed, args.fault, nullptr);
    ++tally.seeds;
    tally.events += result.events;
    tally.updates += result.verdict.updates;
    if (result.good()) continue;
    ++tally.bad;
    explain(seed, result, program, tally);
  }
}

}  // namespace

int main(int argc, char** argv) {
  Arguments args;
  if (!parse(argc, argv, args)) {
    std::cerr << kUsage;
    return 2;
  }
  if (const auto ok = log::configure({.component = "sim", .level = log::Level::off, .file = {}}); !ok)
    return 2;
  if (!args.trace.empty()) return trace(args);
  const auto start = std::chrono::steady_clock::now();
  Tally tally;
  tally.next = args.minutes == 0
                   ? args.first
                   : static_cast<std::uint64_t>(start.time_since_epoch().count() % 1'000'000'000) * 1'000;
  const std::uint64_t jobs = args.jobs > 0 ? args.jobs : std::max(1U, std::thread::hardware_concurrency());
  std::vector<std::thread> threads;
  for (std::uint64_t i = 0; i < jobs; ++i)
    threads.emplace_back([&] { work(args, start + std::chrono::minutes(args.minutes), argv[0], tally); });
  for (std::thread& t : threads) t.join();
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - start).count();
  std::cout << tally.seeds << " seeds, " << tally.bad << " broken; " << tally.events << " events, "
            << tally.updates << " updates delivered, " << seconds << " s\n";
  return tally.bad == 0 ? 0 : 1;
}
