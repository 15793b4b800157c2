// Replays a target's corpus, then the mutations of it that a fixed seed gives: the same inputs in every run,
// so that a failure is a fact and not luck. The input that broke is left in a file named on stderr.
//
//   fuzz_<target> [--mutations N] [--seed S] FILE-OR-FOLDER...
#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mutate.h"

extern "C" void __sanitizer_set_death_callback(void (*)())
    __attribute__((weak));  // there only with a sanitizer

namespace tocsin::fuzz {
namespace {

constexpr std::size_t kMaxInput = 16 * 1024;  ///< of a mutation; a corpus file may be longer
constexpr const char* kLeftover = "fuzz-broken-input.bin";

// The input under test, for the handlers below: plain pointers, because a signal handler may read nothing
// else.
const char* current_data = nullptr;
std::size_t current_size = 0;

void keep_input() {
  const int fd = ::open(kLeftover, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return;
  const bool whole = ::write(fd, current_data, current_size) == static_cast<ssize_t>(current_size);
  ::close(fd);
  constexpr char kSaved[] = "the input is in fuzz-broken-input.bin\n";
  if (whole && ::write(2, kSaved, sizeof kSaved - 1) < 0) return;
}

void on_signal(int number) {
  keep_input();
  std::signal(number, SIG_DFL);
  std::raise(number);
}

void run(const std::string& input) {
  current_data = input.data();
  current_size = input.size();
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

std::vector<std::string> read_corpus(const std::vector<std::string>& places) {
  std::vector<std::filesystem::path> files;
  for (const auto& place : places) {
    if (!std::filesystem::is_directory(place)) {
      files.emplace_back(place);
      continue;
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(place))
      if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<std::string> corpus;
  for (const auto& file : files) {
    std::ifstream in(file, std::ios::binary);
    if (!in) {
      std::cerr << "cannot read " << file << "\n";
      std::exit(2);
    }
    corpus.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return corpus;
}

struct Arguments {
  std::uint64_t mutations = 5'000;
  std::uint64_t seed = 1;
  std::vector<std::string> places;
};

Arguments parse_arguments(int argc, char** argv) {
  Arguments a;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    std::uint64_t* number = word == "--mutations" ? &a.mutations : word == "--seed" ? &a.seed : nullptr;
    if (number == nullptr) {
      a.places.emplace_back(word);
      continue;
    }
    const std::string_view value = ++i < argc ? argv[i] : "";
    if (std::from_chars(value.data(), value.data() + value.size(), *number).ec != std::errc{}) {
      std::cerr << word << " needs a number\n";
      std::exit(2);
    }
  }
  return a;
}

int replay(const Arguments& arguments) {
  const auto corpus = read_corpus(arguments.places);
  if (corpus.empty()) {
    std::cerr << "no corpus: name its folder\n";
    return 2;
  }
  for (const auto& input : corpus) run(input);
  Mutator mutator(corpus, arguments.seed);
  for (std::uint64_t i = 0; i < arguments.mutations; ++i) run(mutator.next(kMaxInput));
  std::cout << corpus.size() << " inputs of the corpus and " << arguments.mutations << " mutations (seed "
            << arguments.seed << ")\n";
  return 0;
}

}  // namespace
}  // namespace tocsin::fuzz

int main(int argc, char** argv) {
  std::signal(SIGABRT, tocsin::fuzz::on_signal);
  std::signal(SIGSEGV, tocsin::fuzz::on_signal);
  if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(tocsin::fuzz::keep_input);
  return tocsin::fuzz::replay(tocsin::fuzz::parse_arguments(argc, argv));
}
