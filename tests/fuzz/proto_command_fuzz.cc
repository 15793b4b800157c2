// The proto door: every message is a command that keeps its header's bounds, or Malformed with an error to
// tell; what it becomes on the way is one JSON text; and an incident that is understood comes back from its
// own message unchanged.
#include "edge/codec/proto_update.h"
#include "proto/client_codec.h"
#include "tests/fuzz/command_check.h"
#include "tests/support/proto_client.h"

namespace {

using namespace tocsin;

/// Members may change their order, never their values. What a publisher repeated in one object is not told
/// apart.
void check_update(const std::string& incident) {
  const auto doc = json::parse(incident);
  FUZZ_CHECK(doc);
  for (auto a = doc->MemberBegin(); a != doc->MemberEnd(); ++a) {
    if (json::find(*doc, json::view(a->name)) != &a->value) return;
    if (!a->value.IsObject()) continue;
    for (const auto& m : a->value.GetObject())
      if (json::find(a->value, json::view(m.name)) != &m.value) return;
  }
  const std::string members =
      R"("event_id":"e","kind":"k","key":"i","at":"","actor":"","changed":[],"incident":)" + incident;
  const auto read = support::server_frame_json(
      edge::frame::update(edge::Door::proto, 1, 1, edge::proto_update_body(members)));
  FUZZ_CHECK(read);
  const auto frame = json::parse(*read);
  FUZZ_CHECK(frame);
  const auto* back = json::find(*frame, "incident");
  FUZZ_CHECK(back != nullptr);
  FUZZ_CHECK(*back == *doc);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kMaxUpdate = 64 * 1024;
  const auto bytes = fuzz::text(data, size);
  const auto translated = client_frame_json(bytes);
  FUZZ_CHECK(translated.error.has_value() == translated.json.empty());
  const auto command = edge::parse_command(edge::Door::proto, bytes, kMaxUpdate);
  std::visit(edge::CommandCheck{}, command);
  const auto* publish = std::get_if<edge::PublishOne>(&command);
  if (publish != nullptr && !publish->draft.incident.empty()) check_update(publish->draft.incident);
  return 0;
}
