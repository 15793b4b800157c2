#include "edge/codec/client_command.h"

#include <array>
#include <limits>

#include "common/json/json.h"
#include "common/json/members.h"
#include "edge/codec/query.h"
#include "edge/codec/sse_frame.h"
#include "proto/client_codec.h"

namespace tocsin::edge {
namespace {

constexpr std::string_view kDefaultChannel = "incidents";

using json::bad_member;
using json::take_text;

Since since_of(const json::Value& v) {
  Since out{.malformed = true, .position = {}};
  const auto epoch_text = json::string_member(v, "epoch");
  const auto offset = json::uint_member(v, "offset");
  if (!v.IsObject() || !epoch_text || !offset || !*epoch_text || !*offset) return out;
  const auto epoch = parse_epoch(**epoch_text);
  if (!epoch) return out;
  return Since{.malformed = false, .position = {*epoch, **offset}};
}

Result<ClientCommand> connect_of(const json::Value& doc) {
  Connect c;
  if (auto s = take_text(doc, "token", kMaxTokenText, c.token); !s) return s.error();
  if (auto s = take_text(doc, "session", kMaxClientText, c.session); !s) return s.error();
  if (auto s = take_text(doc, "ticket", kMaxTicket, c.ticket); !s) return s.error();
  if (const auto* since = json::find(doc, "since"); since != nullptr && !since->IsNull()) {
    if (!since->IsObject()) return bad_member("since", "must be an object of positions by subscription id");
    for (const auto& m : since->GetObject())
      c.since.emplace_back(std::string(json::view(m.name)), since_of(m.value));
  }
  return ClientCommand{std::move(c)};
}

/// The options of a subscription: snapshot, since, conflate, max_rate.
Status take_options(const json::Value& doc, Subscribe& s) {
  const auto snapshot = json::bool_member(doc, "snapshot");
  if (!snapshot) return snapshot.error();
  s.snapshot = snapshot->value_or(false);
  const auto conflate = json::bool_member(doc, "conflate");
  if (!conflate) return conflate.error();
  if (*conflate) s.conflate = **conflate ? Conflate::when_behind : Conflate::never;
  const auto rate = json::uint_member(doc, "max_rate");
  if (!rate) return rate.error();
  if (rate->value_or(0) > std::numeric_limits<std::uint32_t>::max())
    return bad_member("max_rate", "is too large");
  s.max_rate = static_cast<std::uint32_t>(rate->value_or(0));
  if (s.max_rate > 0 && s.conflate == Conflate::never)
    return bad_member("max_rate", "leaves updates out, which \"conflate\": false forbids");
  if (const auto* since = json::find(doc, "since"); since != nullptr && !since->IsNull())
    s.since = since_of(*since);
  return Done{};
}

Result<ClientCommand> subscribe_of(const json::Value& doc) {
  Subscribe s;
  if (auto r = take_text(doc, "id", kMaxClientText, s.id); !r) return r.error();
  if (s.id.empty()) return bad_member("id", "is required");
  if (auto r = take_text(doc, "channel", kMaxChannelName, s.channel); !r) return r.error();
  if (auto r = check_channel_name(s.channel); !r) return r.error();
  if (const auto* filter = json::find(doc, "filter")) {
    auto parsed = Filter::parse(*filter);
    if (!parsed) return parsed.error();
    s.filter = *std::move(parsed);
  }
  if (auto r = take_options(doc, s); !r) return r.error();
  return ClientCommand{std::move(s)};
}

Result<ClientCommand> unsubscribe_of(const json::Value& doc) {
  Unsubscribe u;
  if (auto r = take_text(doc, "id", kMaxClientText, u.id); !r) return r.error();
  if (u.id.empty()) return bad_member("id", "is required");
  return ClientCommand{std::move(u)};
}

Result<ClientCommand> publish_of(const json::Value& doc, std::size_t max_update) {
  PublishOne p;
  if (auto r = take_text(doc, "ref", kMaxClientText, p.ref); !r) return r.error();
  const auto* update = json::find(doc, "update");
  if (update == nullptr || !update->IsObject()) return bad_member("update", "must be an object");
  auto draft = parse_draft(json::text(*update), kDefaultChannel, max_update);
  if (!draft) return draft.error();
  p.draft = *std::move(draft);
  return ClientCommand{std::move(p)};
}

Result<ClientCommand> command_of(std::string_view type, const json::Value& doc, std::size_t max_update) {
  if (type == "subscribe") return subscribe_of(doc);
  if (type == "unsubscribe") return unsubscribe_of(doc);
  if (type == "publish") return publish_of(doc, max_update);
  if (type == "connect") return connect_of(doc);
  if (type == "bye") {
    const auto duplicates = json::uint_member(doc, "duplicates");
    if (!duplicates) return duplicates.error();
    return ClientCommand{Bye{duplicates->value_or(0)}};
  }
  if (type == "ping") {
    Ping p;
    if (auto r = take_text(doc, "ref", kMaxClientText, p.ref); !r) return r.error();
    return ClientCommand{std::move(p)};
  }
  if (type == "refresh") {
    Refresh r;
    if (auto s = take_text(doc, "token", kMaxTokenText, r.token); !s) return s.error();
    return ClientCommand{std::move(r)};
  }
  return bad_member("type", "is not one of connect, subscribe, unsubscribe, publish, refresh, ping, bye");
}

/// Short strings only: they are echoed.
std::string echo_of(const json::Value& doc, std::string_view member) {
  const auto v = json::string_member(doc, member);
  return v && *v && (*v)->size() <= kMaxClientText ? std::string(**v) : std::string{};
}

ClientCommand parse_json(std::string_view bytes, std::size_t max_update) {
  auto doc = json::parse(bytes);
  if (!doc) return Malformed{doc.error(), {}, {}};
  if (!doc->IsObject()) return Malformed{{Errc::invalid_argument, "a frame is a JSON object"}, {}, {}};
  const auto type = json::string_member(*doc, "type");
  if (!type) return Malformed{type.error(), echo_of(*doc, "id"), echo_of(*doc, "ref")};
  if (!*type) return Malformed{bad_member("type", "is required"), echo_of(*doc, "id"), echo_of(*doc, "ref")};
  auto command = command_of(**type, *doc, max_update);
  if (!command) return Malformed{command.error(), echo_of(*doc, "id"), echo_of(*doc, "ref")};
  return *std::move(command);
}

}  // namespace

ClientCommand parse_command(Door door, std::string_view bytes, std::size_t max_update) {
  if (door != Door::proto) return parse_json(bytes, max_update);
  auto frame = client_frame_json(bytes);
  if (!frame.error) return parse_json(frame.json, max_update);
  if (frame.ref.size() > kMaxClientText) frame.ref.clear();
  return Malformed{*std::move(frame.error), {}, std::move(frame.ref)};
}

Result<Subscribe> parse_event_query(std::string_view query, std::string_view last_event_id) {
  const auto members = parse_query(query);
  if (!members) return members.error();
  Subscribe s;
  s.id = "events";
  const std::string* channel = find(*members, "channel");
  s.channel = channel != nullptr && !channel->empty() ? *channel : std::string(kDefaultChannel);
  if (auto r = check_channel_name(s.channel); !r) return r.error();
  auto filter = filter_of(*members);
  if (!filter) return filter.error();
  s.filter = *std::move(filter);
  const auto snapshot = flag_of(*members, "snapshot");
  if (!snapshot) return snapshot.error();
  s.snapshot = *snapshot;
  if (find(*members, "conflate") != nullptr) {
    const auto conflate = flag_of(*members, "conflate");
    if (!conflate) return conflate.error();
    s.conflate = *conflate ? Conflate::when_behind : Conflate::never;
  }
  const auto rate = number_of(*members, "max_rate", 0);
  if (!rate) return rate.error();
  if (*rate > std::numeric_limits<std::uint32_t>::max()) return bad_member("max_rate", "is too large");
  s.max_rate = static_cast<std::uint32_t>(*rate);
  if (s.max_rate > 0 && s.conflate == Conflate::never)
    return bad_member("max_rate", "leaves updates out, which \"conflate\": false forbids");
  const std::string* query_id = find(*members, "last_event_id");
  if (last_event_id.empty() && query_id != nullptr) last_event_id = *query_id;
  if (!last_event_id.empty()) {
    const auto position = sse::parse_id(last_event_id);
    s.since = position ? Since{false, *position} : Since{true, {}};
  }
  return s;
}

}  // namespace tocsin::edge
