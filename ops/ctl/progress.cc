#include "ops/ctl/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "ops/ctl/feed.h"

namespace tocsin::ops {
namespace {
constexpr int kWidth = 30;
constexpr Millis kRedraw{200};
}  // namespace

Progress::Progress(std::string what, std::uint64_t total, bool json)
    : what_(std::move(what)),
      total_(total),
      terminal_(!json && ::isatty(STDERR_FILENO) == 1),
      shown_(clock_.steady()) {}

void Progress::show(const FeedReport& report) {
  const Instant now = clock_.steady();
  if (!terminal_ || now - shown_ < kRedraw) return;
  const std::uint64_t done = report.published + report.duplicates + report.refused;
  const double seconds = std::chrono::duration<double>(now - shown_).count();
  rate_ = static_cast<double>(done - shown_done_) / seconds;
  shown_ = now;
  shown_done_ = done;
  std::string bar;
  if (total_ > 0) {
    const int full =
        static_cast<int>(static_cast<double>(kWidth) * static_cast<double>(std::min(done, total_)) /
                         static_cast<double>(total_));
    bar = "[" + std::string(static_cast<std::size_t>(full), '#') +
          std::string(static_cast<std::size_t>(kWidth - full), '.') + "] ";
  }
  std::fprintf(stderr, "\r\x1b[K%s %s%llu%s%s, %.0f/s%s", what_.c_str(), bar.c_str(),
               static_cast<unsigned long long>(done), total_ > 0 ? " of " : "",
               total_ > 0 ? std::to_string(total_).c_str() : "", rate_,
               report.refused > 0 ? (", " + std::to_string(report.refused) + " refused").c_str() : "");
  std::fflush(stderr);
  drawn_ = true;
}

void Progress::note(const std::string& sentence) {
  clear();
  std::fprintf(stderr, "tocsinctl: %s\n", sentence.c_str());
}

void Progress::clear() {
  if (drawn_) std::fputs("\r\x1b[K", stderr);
  drawn_ = false;
}

}  // namespace tocsin::ops
