// parse_draft: an accepted draft keeps every promise of its header: names within bounds, incident or event
// but not both, JSON that reads back; and its update goes through the log's bytes and onto the client's wire
// as valid JSON.
#include "common/json/json.h"
#include "common/rfc3339.h"
#include "proto/link_message.h"
#include "proto/update.h"
#include "tests/fuzz/fuzz.h"

namespace {

constexpr std::size_t kMaxBytes = 64 * 1024;

void check_names(const tocsin::Draft& d) {
  using namespace tocsin;
  FUZZ_CHECK(check_channel_name(d.channel));
  FUZZ_CHECK(d.event_id.size() <= kMaxEventId);
  FUZZ_CHECK(d.key.size() <= kMaxKey);
  FUZZ_CHECK(!d.kind.empty());
  FUZZ_CHECK(d.at.empty() || parse_rfc3339(d.at));
}

void check_body(const tocsin::Draft& d) {
  using namespace tocsin;
  FUZZ_CHECK(d.incident.empty() != d.event_name.empty());
  FUZZ_CHECK(d.event_name.empty() || json::parse(d.event_data));
  if (d.incident.empty()) return;
  const auto incident = json::parse(d.incident);
  FUZZ_CHECK(incident);
  FUZZ_CHECK(incident->IsObject());
  FUZZ_CHECK(!d.key.empty());
}

void check_wire(const tocsin::Draft& d) {
  using namespace tocsin;
  Update u;
  u.event_id = d.event_id;
  u.kind = d.kind;
  u.key = d.key;
  u.at = d.at;
  u.actor = d.actor;
  u.incident = d.incident;
  u.event_name = d.event_name;
  u.event_data = d.event_data;
  const auto bytes = std::make_shared<const std::string>(link::encode_update(u));
  const auto back = link::decode_update({1, bytes});
  FUZZ_CHECK(back);
  FUZZ_CHECK(update_members_json(*back) == update_members_json(u));
  const auto id = link::event_id_of(*bytes);
  FUZZ_CHECK(id);
  FUZZ_CHECK(*id == d.event_id);
  const auto frame = json::parse("{" + update_members_json(u) + "}");
  FUZZ_CHECK(frame ||
             frame.error().detail.find("deeper") != std::string::npos);  // one level more than the draft had
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tocsin;
  const auto draft = parse_draft(fuzz::text(data, size), "incidents", kMaxBytes);
  if (!draft) {
    FUZZ_CHECK(draft.error().code == Errc::invalid_argument || draft.error().code == Errc::too_large);
    return 0;
  }
  check_names(*draft);
  check_body(*draft);
  check_wire(*draft);
  return 0;
}
