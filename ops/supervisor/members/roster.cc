#include "ops/supervisor/members/roster.h"

#include <algorithm>
#include <iterator>

namespace tocsin::ops::members {

bool fits_edge(std::string_view name) {
  constexpr std::size_t kMax = 128;
  if (name.empty() || name.size() > kMax || name.front() == '.') return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return word || c == '.' || c == '-' || c == '_' || c == ':';
  });
}

void Roster::configure(std::vector<Address> addresses) {
  addresses_ = std::move(addresses);
  std::map<std::string, Lookup> kept;
  for (const Address& address : addresses_) kept[address.text] = lookups_[address.text];
  const bool fewer = kept.size() < lookups_.size();
  lookups_ = std::move(kept);
  list();
  if (fewer) std::erase_if(seats_, [](const auto& entry) { return !entry.second.listed; });
}

void Roster::remember(const std::map<std::string, std::string>& edges) {
  for (const auto& [url, edge] : edges)
    if (fits_edge(edge)) seats_[url].edge = edge;
}

void Roster::found(const std::string& address, const Result<Urls>& urls) {
  const auto lookup = lookups_.find(address);
  if (lookup == lookups_.end()) return;  // a reload took it away
  lookup->second.trouble = urls ? "" : "it does not resolve: " + urls.error().detail;
  if (urls)
    lookup->second.urls = *urls;
  else if (urls.error().code == Errc::not_found && lookup->second.urls)
    lookup->second.urls->clear();
  list();
}

void Roster::list() {
  for (auto& [url, seat] : seats_) seat.listed = false;
  for (const auto& [address, lookup] : lookups_)
    if (lookup.urls)
      for (const std::string& url : *lookup.urls) seats_[url].listed = true;
}

void Roster::heard(const std::string& url, const std::string& edge, std::uint64_t started) {
  const auto seat = seats_.find(url);
  if (seat == seats_.end()) return;
  seat->second.edge = edge;
  seat->second.started = started;
  // It has moved: a container that was started again has another address.
  std::erase_if(seats_, [&](const auto& other) {
    return other.first != url && other.second.edge == edge && !other.second.listed && synced();
  });
}

std::vector<std::string> Roster::tick(Instant now,
                                      const std::function<bool(const std::string& url)>& answers) {
  if (!synced()) return {};
  const auto before = edges();
  for (auto it = seats_.begin(); it != seats_.end();) {
    Seat& seat = it->second;
    if (seat.listed || answers(it->first))
      seat.gone.reset();
    else if (!seat.gone)
      seat.gone = now;
    const bool over = seat.gone && (seat.edge.empty() || now - *seat.gone >= kForget);
    it = over ? seats_.erase(it) : std::next(it);
  }
  const auto after = edges();
  std::vector<std::string> forgotten;
  for (const auto& [edge, url] : before)
    if (!after.contains(edge)) forgotten.push_back(edge);
  return forgotten;
}

bool Roster::synced() const {
  return !lookups_.empty() && std::all_of(lookups_.begin(), lookups_.end(),
                                          [](const auto& entry) { return entry.second.urls.has_value(); });
}

std::map<std::string, std::string> Roster::edges() const {
  std::map<std::string, std::string> out;
  for (const bool listed : {true, false})
    for (const auto& [url, seat] : seats_)
      if (!seat.edge.empty() && seat.listed == listed) out.try_emplace(seat.edge, url);
  return out;
}

std::map<std::string, std::string> Roster::troubles() const {
  std::map<std::string, std::string> out;
  for (const auto& [address, lookup] : lookups_)
    if (!lookup.trouble.empty()) out[address] = lookup.trouble;
  const auto chosen = edges();
  for (const auto& [url, seat] : seats_) {
    if (seat.edge.empty() || !seat.listed) continue;
    const std::string& other = chosen.at(seat.edge);
    if (other != url && seats_.at(other).started != seat.started)
      out[url] = "it says that it is " + seat.edge + ", and so does " + other +
                 ": every edge needs an edge.id of its own";
  }
  return out;
}

}  // namespace tocsin::ops::members
