#include "broker/link/snapshots.h"

#include <charconv>
#include <optional>

namespace tocsin::broker {
namespace {

/// A cursor is "snapshot:page".
struct Cursor {
  std::uint64_t id = 0;
  std::uint64_t page = 0;
};

std::optional<Cursor> parse(std::string_view text) {
  Cursor c;
  const char* const end = text.data() + text.size();
  const auto [colon, ec] = std::from_chars(text.data(), end, c.id);
  if (ec != std::errc{} || colon == end || *colon != ':') return std::nullopt;
  const auto [rest, ec2] = std::from_chars(colon + 1, end, c.page);
  if (ec2 != std::errc{} || rest != end) return std::nullopt;
  return c;
}

link::SnapshotPage fault(Errc code, std::string detail) {
  link::SnapshotPage page;
  page.fault = link::fault_of({code, std::move(detail)});
  return page;
}

}  // namespace

Result<std::vector<IncidentRow>> Snapshots::read(Open& open) const {
  return open.reader->next(static_cast<std::size_t>(config_.read_max_count),
                           static_cast<std::size_t>(config_.read_max_bytes));
}

link::SnapshotPage Snapshots::next(std::string_view peer, const link::SnapshotNext& query) {
  link::SnapshotPage out;
  if (query.cursor.empty()) {
    out = begin(peer, query.channel);
  } else {
    const auto cursor = parse(query.cursor);
    const auto at = cursor ? open_.find(cursor->id) : open_.end();
    if (at == open_.end() || at->second.peer != peer) {
      out = fault(Errc::not_found, "this snapshot is no longer open; begin again");
    } else if (cursor->page + 1 == at->second.page) {
      out = at->second.given;
    } else if (cursor->page == at->second.page) {
      out = page_of(cursor->id, at->second);
    } else {
      out = fault(Errc::invalid_argument, "the cursor is not the next page's");
    }
  }
  out.ref = query.ref;
  return out;
}

link::SnapshotPage Snapshots::begin(std::string_view peer, const std::string& channel_name) {
  const Channel* channel = channels_.find(channel_name);
  if (channel == nullptr) return fault(Errc::not_found, "channel " + channel_name);
  if (open_.size() >= static_cast<std::size_t>(config_.snapshots_max))
    return fault(Errc::overloaded, std::to_string(open_.size()) + " snapshots are open (link.snapshots_max)");
  auto reader = store_.snapshot(channel->committed.id);
  if (!reader) return fault(reader.error().code, reader.error().detail);
  const std::uint64_t id = next_id_++;
  Open& open = open_[id];
  open.peer = peer;
  open.reader = *std::move(reader);
  auto first = read(open);
  if (!first) {
    const Error error = first.error();
    open_.erase(id);
    return fault(error.code, error.detail);
  }
  open.ahead = *std::move(first);
  count();
  return page_of(id, open);
}

link::SnapshotPage Snapshots::page_of(std::uint64_t id, Open& open) {
  open.used = clock_.steady();
  link::SnapshotPage page;
  page.position = open.reader->position();
  for (const auto& row : open.ahead) page.incidents.push_back({row.key, row.offset, *row.json});
  // Reading one page ahead tells whether this one is the last.
  if (open.ahead.empty()) {
    page.last = true;
  } else {
    auto more = read(open);
    if (!more) {
      const Error error = more.error();
      open_.erase(id);
      count();
      return fault(error.code, error.detail);
    }
    open.ahead = *std::move(more);
    page.last = open.ahead.empty();
  }
  if (page.last) {
    open_.erase(id);
    count();
    return page;
  }
  page.cursor = std::to_string(id) + ":" + std::to_string(++open.page);
  open.given = page;
  return page;
}

void Snapshots::cancel(std::string_view peer, const std::string& text) {
  const auto cursor = parse(text);
  const auto at = cursor ? open_.find(cursor->id) : open_.end();
  if (at == open_.end() || at->second.peer != peer) return;
  open_.erase(at);
  count();
}

void Snapshots::peer_gone(std::string_view peer) {
  std::erase_if(open_, [peer](const auto& entry) { return entry.second.peer == peer; });
  count();
}

void Snapshots::tick() {
  const Instant oldest = clock_.steady() - config_.snapshot_timeout;
  std::erase_if(open_, [oldest](const auto& entry) { return entry.second.used < oldest; });
  count();
}

}  // namespace tocsin::broker
