#include "broker/link/queries.h"

#include <algorithm>

#include "proto/filter.h"

namespace tocsin::broker {
namespace {

constexpr std::size_t kScanned = 5'000;  // incidents looked at for one page, matching or not
constexpr std::size_t kScanStep = 250;
constexpr std::size_t kChannelsSearched = 1'000;  // for an incident whose channel is not named
constexpr std::uint32_t kMaxListed = 1'000;

link::Fault unknown_channel(const std::string& name) {
  return link::fault_of({Errc::not_found, "channel " + name});
}

link::IncidentState state_of(const IncidentRow& row) { return {row.key, row.offset, *row.json}; }

}  // namespace

link::ReadResult Queries::read(const link::Read& query) const {
  link::ReadResult out;
  out.ref = query.ref;
  out.head.channel = query.channel;
  const Channel* channel = channels_.find(query.channel);
  if (channel == nullptr) {
    out.fault = unknown_channel(query.channel);
    return out;
  }
  out.head = channel->head();
  const char* lost = query.epoch != out.head.epoch      ? "epoch_changed"
                     : query.after > out.head.last      ? "future"
                     : query.after + 1 < out.head.first ? "too_old"
                                                        : nullptr;
  if (lost != nullptr) {
    metrics_.positions_lost.add();
    out.fault = link::fault_of({Errc::position_lost, lost});
    return out;
  }
  metrics_.reads.add();
  if (query.after == out.head.last) return out;
  const auto bounded = [](std::uint32_t asked, std::int64_t limit) {
    const auto most = static_cast<std::size_t>(limit);
    return asked == 0 ? most : std::min<std::size_t>(asked, most);
  };
  auto records =
      store_.read_after(channel->committed.id, query.after, bounded(query.max_count, config_.read_max_count),
                        bounded(query.max_bytes, config_.read_max_bytes));
  if (!records) {
    out.fault = link::fault_of(records.error());
    return out;
  }
  // The store may already hold a group whose peers have not been told.
  std::erase_if(*records, [&](const Record& r) { return r.offset > out.head.last; });
  out.records = *std::move(records);
  return out;
}

link::IncidentsPage Queries::list(const link::ListIncidents& query) const {
  link::IncidentsPage out;
  out.ref = query.ref;
  out.head.channel = query.channel;
  const auto filter = query.filter.empty() ? Result<Filter>{Filter{}} : Filter::parse_canonical(query.filter);
  if (!filter) {
    out.fault = link::fault_of(filter.error());
    return out;
  }
  const Channel* channel = channels_.find(query.channel);
  if (channel == nullptr) {
    out.fault = unknown_channel(query.channel);
    return out;
  }
  out.head = channel->head();
  const std::size_t limit = std::clamp<std::size_t>(query.limit, 1, kMaxListed);
  std::string after = query.cursor;
  std::size_t bytes = 0;
  for (std::size_t scanned = 0; scanned < kScanned;) {
    const auto rows = store_.incidents(channel->committed.id, after, kScanStep);
    if (!rows) {
      out.fault = link::fault_of(rows.error());
      return out;
    }
    for (const auto& row : *rows) {
      after = row.key;
      if (filter->empty() || filter->matches_state(facts_of_incident(row.key, *row.json))) {
        bytes += row.json->size();
        out.incidents.push_back(state_of(row));
      }
      if (out.incidents.size() >= limit || bytes >= static_cast<std::size_t>(config_.read_max_bytes)) {
        out.cursor = after;
        return out;
      }
    }
    scanned += kScanStep;
    if (rows->size() < kScanStep) return out;  // the end: no cursor
  }
  out.cursor = after;
  return out;
}

link::IncidentsPage Queries::get(const link::GetIncident& query) const {
  link::IncidentsPage out;
  out.ref = query.ref;
  std::vector<Channel*> where;
  if (Channel* named = channels_.find(query.channel.empty() ? "incidents" : query.channel))
    where.push_back(named);
  if (query.channel.empty())
    for (Channel* other : channels_.some_after("", kChannelsSearched))
      if (where.empty() || other != where.front()) where.push_back(other);
  for (const Channel* channel : where) {
    const auto row = store_.incident(channel->committed.id, query.key);
    if (!row) {
      out.fault = link::fault_of(row.error());
      return out;
    }
    if (!*row) continue;
    out.head = channel->head();
    out.incidents.push_back(state_of(**row));
    return out;
  }
  out.fault = link::fault_of({Errc::not_found, "incident " + query.key});
  return out;
}

link::ChannelInfo Queries::channel(const link::GetChannel& query) const {
  link::ChannelInfo out;
  out.ref = query.ref;
  out.head.channel = query.channel;
  if (const Channel* channel = channels_.find(query.channel)) {
    out.head = channel->head();
  } else {
    out.fault = unknown_channel(query.channel);
  }
  return out;
}

}  // namespace tocsin::broker
