#include "edge/hub/audience.h"

#include <cassert>

namespace tocsin::edge {

void join(Audience& audience, Sub& sub, AudienceLog::Cursor cursor) {
  assert(sub.mode != Mode::live);
  Client& client = *sub.client;
  Member member;
  member.socket = client.socket;
  member.cursor = cursor;
  member.sub = &sub;
  member.max_batch = static_cast<std::uint32_t>(client.max_batch);
  member.flags = Member::kGather | (client.blocked ? Member::kBlocked : 0);
  sub.member = static_cast<std::uint32_t>(audience.members.size());
  sub.mode = Mode::live;
  audience.members.push_back(member);
}

AudienceLog::Cursor leave(Audience& audience, Sub& sub) {
  assert(sub.mode == Mode::live);
  const auto cursor = audience.members[sub.member].cursor;
  audience.members[sub.member] = audience.members.back();
  audience.members[sub.member].sub->member = sub.member;
  audience.members.pop_back();
  return cursor;
}

}  // namespace tocsin::edge
