// The whole edge but its sockets: two clients say whatever the input says, while updates come, the broker
// goes away and sockets block. Nothing may be written to a socket that cannot take it, every frame must be
// JSON, and the offsets of a subscription must stay contiguous. A line of the input is a message of the first
// client; after '2' of the second; '!' is an event.
#include <charconv>
#include <map>
#include <string>

#include "common/json/json.h"
#include "common/log/log.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/edge/session/rig.h"

namespace {

using namespace tocsin;
using namespace tocsin::edge;

/// Where each subscription of one client stands; a conflated stream may jump, so only order is checked then.
class Stream {
 public:
  void take(const std::string& text) {
    const auto frame = json::parse(text);
    FUZZ_CHECK(frame);
    FUZZ_CHECK(frame->IsObject());
    const std::string type = rig::type_of(text);
    if (type == "subscribed") {
      at_[rig::number_of(text, "sub")] = json::find(*json::find(*frame, "position"), "offset")->GetUint64();
    } else if (type == "update" || type == "skip") {
      const auto found = at_.find(rig::number_of(text, "sub"));
      FUZZ_CHECK(found != at_.end());
      const Offset first = rig::number_of(text, type == "skip" ? "from" : "offset");
      const Offset last = type == "skip" ? rig::number_of(text, "to") : first;
      FUZZ_CHECK(first > found->second);
      FUZZ_CHECK(first == found->second + 1 || json::find(*frame, "replaces") != nullptr);
      FUZZ_CHECK(last >= first);
      found->second = last;
    }
  }

 private:
  std::map<std::uint64_t, Offset> at_;
};

class Play {
 public:
  Play() : rig_(config()) {
    for (int i = 0; i < 3; ++i) rig_.broker.add("incidents", "I1", "P1");
    for (auto& p : peers_) p = &rig_.connect();
  }

  void line(std::string_view text) {
    if (text.empty()) return;
    if (text[0] == '!') return event(text.substr(1));
    const std::size_t who = text[0] == '2' ? 1 : 0;
    if (who == 1) text.remove_prefix(1);
    if (!peers_[who]->socket.closed) rig_.gateway->message(peers_[who]->id, text);
  }

  void end() {
    rig_.broker.away = false;
    for (auto* p : peers_) rig_.unblock(*p);
    rig_.settle();
    rig_.wait(Millis{600});
    check();
  }

 private:
  static Config config() {
    Config c;
    c.subscriptions_max = 8;
    c.beacon = Millis{300};
    c.cache_linger = Millis{200};
    c.conflate_bytes = 200;
    c.conflate_stalled = Millis{100};
    return c;
  }

  void event(std::string_view what) {
    const std::size_t who = what.ends_with('2') ? 1 : 0;
    if (what.starts_with("add"))
      rig_.broker.add("incidents", what.size() > 4 ? "I2" : "I1", what.size() % 2 == 0 ? "P0" : "P2");
    if (what.starts_with("turn")) rig_.turn();
    if (what.starts_with("wait")) rig_.wait(Millis{400});
    if (what.starts_with("away")) rig_.broker.away = !rig_.broker.away;
    if (what.starts_with("block")) peers_[who]->socket.blocked = true;
    if (what.starts_with("free")) rig_.unblock(*peers_[who]);
    if (what.starts_with("epoch")) change_epoch();
    check();
  }

  void change_epoch() {
    auto& channel = rig_.broker.channels["incidents"];
    channel.epoch = Epoch{static_cast<std::uint64_t>(channel.epoch) + 1};
    if (channel.wanted) rig_.gateway->feed().on_attached(channel.head("incidents"), "epoch_changed");
    rig_.broker.told["incidents"] = channel.last();
  }

  void check() {
    FUZZ_CHECK(!rig_.outlet.overrun);
    for (std::size_t i = 0; i < 2; ++i)
      for (const auto& text : peers_[i]->take()) streams_[i].take(text);
  }

  rig::Rig rig_;
  rig::Peer* peers_[2]{};
  Stream streams_[2];
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Status quiet = log::configure({.component = "fuzz", .level = log::Level::off, .file = {}});
  FUZZ_CHECK(quiet);
  Play play;
  std::string_view rest = fuzz::text(data, size);
  for (int lines = 0; !rest.empty() && lines < 200; ++lines) {
    const std::size_t end = rest.find('\n');
    play.line(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  play.end();
  return 0;
}
