#include "tools/loadgen/roam/report.h"

#include <algorithm>
#include <map>
#include <sstream>

namespace tocsin::loadgen::roam {
namespace {

std::string quantiles(const Histogram& h) {
  std::ostringstream out;
  out << "{\"count\":" << h.total() << ",\"p50\":" << h.quantile(0.5) << ",\"p99\":" << h.quantile(0.99)
      << ",\"max\":" << h.max() << "}";
  return out.str();
}

std::string phase_json(const Phase& p, Clock::time_point end) {
  std::ostringstream out;
  out << "{\"name\":\"" << p.name << "\",\"seconds\":" << std::chrono::duration<double>(end - p.start).count()
      << ",\"offers\":" << p.offers << ",\"moves\":" << p.moves << ",\"hops\":" << p.hops
      << ",\"cut\":" << p.cut << ",\"abrupt\":" << p.abrupt << ",\"repeats_dropped\":" << p.repeats
      << ",\"turned_away\":" << p.turned_away << ",\"blackout_ms\":" << quantiles(p.blackout_ms)
      << ",\"beyond_ms\":" << quantiles(p.beyond_ms) << ",\"attempts\":{\"total\":" << p.attempts.total()
      << ",\"peak_per_s\":" << p.attempts.peak() << ",\"mean_per_s\":" << p.attempts.mean()
      << "},\"delivery_us\":{";
  const char* comma = "";
  for (const auto& [edge, delivery] : p.delivery_us) {
    out << comma << "\"" << edge << "\":" << quantiles(delivery);
    comma = ",";
  }
  out << "}}";
  return out.str();
}

struct Sums {
  std::uint64_t twice = 0;
  std::uint64_t missed = 0;
  std::uint64_t restarts = 0;
  std::uint64_t hops = 0;
  std::uint32_t most_hops = 0;
  std::map<std::string, std::uint64_t> edges;
};

Sums sums_of(const Roamers& roamers) {
  Sums s;
  for (const auto& r : roamers) {
    s.twice += r->story().twice();
    s.missed += r->story().missed();
    s.restarts += r->story().restarts();
    s.hops += r->hops();
    s.most_hops = std::max(s.most_hops, r->hops());
    ++s.edges[r->streaming() ? r->edge() : "none"];
  }
  return s;
}

void write_sums(std::ostream& out, const Sums& s, std::size_t clients) {
  const double mean = clients > 0 ? static_cast<double>(s.hops) / static_cast<double>(clients) : 0;
  out << ",\"twice\":" << s.twice << ",\"missed\":" << s.missed << ",\"restarts\":" << s.restarts
      << ",\"hops\":{\"mean\":" << mean << ",\"max\":" << s.most_hops << "},\"edges\":{";
  const char* comma = "";
  for (const auto& [edge, count] : s.edges) {
    out << comma << "\"" << edge << "\":" << count;
    comma = ",";
  }
  out << "}";
}

}  // namespace

bool holds(const Outcome& outcome, const Tally& tally, const Roamers& roamers) {
  const Sums s = sums_of(roamers);
  return outcome.complete && outcome.lost == 0 && s.twice == 0 && s.missed == 0 && s.restarts == 0 &&
         tally.broken == 0 && tally.disagreed == 0 && tally.lost == 0;
}

std::string report_json(const Outcome& outcome, const Tally& tally, const Roamers& roamers,
                        const Announcer& announcer) {
  std::ostringstream out;
  out << "{\"event\":\"report\",\"holds\":" << (holds(outcome, tally, roamers) ? "true" : "false")
      << ",\"complete\":" << (outcome.complete ? "true" : "false") << ",\"clients\":" << roamers.size()
      << ",\"published\":" << announcer.published() << ",\"publishes_repeated\":" << announcer.repeated()
      << ",\"lost\":" << outcome.lost;
  write_sums(out, sums_of(roamers), roamers.size());
  out << ",\"resumed\":" << tally.resumed << ",\"snapshots\":" << tally.snapshots
      << ",\"lost_streams\":" << tally.lost << ",\"renewed_sessions\":" << tally.renewed
      << ",\"out_of_place\":" << tally.broken << ",\"disagreed\":" << tally.disagreed
      << ",\"errors\":" << tally.errors << ",\"phases\":[";
  for (std::size_t i = 0; i < tally.phases.size(); ++i)
    out << (i > 0 ? "," : "")
        << phase_json(tally.phases[i],
                      i + 1 < tally.phases.size() ? tally.phases[i + 1].start : Clock::now());
  out << "]}";
  return out.str();
}

std::string status_json(const Tally& tally, const Roamers& roamers, const Announcer& announcer) {
  std::ostringstream out;
  out << "{\"event\":\"status\",\"published\":" << announcer.published();
  write_sums(out, sums_of(roamers), roamers.size());
  out << ",\"phase\":" << phase_json(tally.phases.back(), Clock::now()) << "}";
  return out.str();
}

}  // namespace tocsin::loadgen::roam
