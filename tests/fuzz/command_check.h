#pragma once
// What a decoded command must keep, whichever door it came by: the bounds of its header. Thread: the
// caller's.
#include "common/json/json.h"
#include "edge/codec/client_command.h"
#include "edge/codec/server_frame.h"
#include "tests/fuzz/fuzz.h"

namespace tocsin::edge {

struct CommandCheck {
  void operator()(const Connect& c) const {
    FUZZ_CHECK(c.session.size() <= kMaxClientText);
    FUZZ_CHECK(c.ticket.size() <= kMaxTicket);
  }
  void operator()(const Subscribe& s) const {
    FUZZ_CHECK(!s.id.empty() && s.id.size() <= kMaxClientText);
    FUZZ_CHECK(check_channel_name(s.channel));
    FUZZ_CHECK(Filter::parse(s.filter.canonical()));
  }
  void operator()(const Unsubscribe& u) const { FUZZ_CHECK(!u.id.empty() && u.id.size() <= kMaxClientText); }
  void operator()(const PublishOne& p) const {
    FUZZ_CHECK(p.ref.size() <= kMaxClientText);
    FUZZ_CHECK(check_channel_name(p.draft.channel));
    FUZZ_CHECK(p.draft.incident.empty() != p.draft.event_name.empty());
  }
  void operator()(const Refresh& r) const { FUZZ_CHECK(r.token.size() <= kMaxTokenText); }
  void operator()(const Ping& p) const {
    FUZZ_CHECK(p.ref.size() <= kMaxClientText);
    FUZZ_CHECK(json::parse(frame::pong(Door::json, p.ref)));
  }
  void operator()(const Bye&) const {}
  void operator()(const Malformed& m) const {
    FUZZ_CHECK(m.error.code == Errc::invalid_argument || m.error.code == Errc::too_large);
    FUZZ_CHECK(m.id.size() <= kMaxClientText && m.ref.size() <= kMaxClientText);
    FUZZ_CHECK(json::parse(
        frame::error(Door::json, m.error, {m.id, m.ref})));  // what is echoed must not break the answer
  }
};

}  // namespace tocsin::edge
