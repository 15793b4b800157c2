// The row policy over HTTP (PROTOCOL 9.6), in front of a broker that is older and knows nothing of rows: what
// is asked for is judged again here, and a cursor tells of nobody else's incident.
#include <doctest/doctest.h>

#include <cstdlib>
#include <map>
#include <random>
#include <set>

#include "common/auth/token.h"
#include "common/json/json.h"
#include "edge/auth/gate.h"
#include "edge/http_api/http_api.h"

namespace tocsin::edge {
namespace {

constexpr Epoch kEpoch{0xabc};
constexpr const char* kEnv = "TOCSIN_TEST_HTTP_ROWS_KEY";
const std::string kSecret = "0123456789abcdef0123456789abcdef";

/// Lists whatever it has, two at a time, whatever the filter says.
class OldBroker final : public BrokerPort {
 public:
  OldBroker() = default;
  std::map<std::string, std::string> incidents;  ///< id -> JSON
  std::vector<Update> log;
  std::vector<Draft> published;

  void want(const std::string&) override {}
  void unwant(const std::string&) override {}
  void publish(std::vector<Draft> drafts, Answer<std::vector<link::PublishOutcome>> answer) override {
    published.insert(published.end(), drafts.begin(), drafts.end());
    answer(std::vector<link::PublishOutcome>(drafts.size()));
  }
  void read(const std::string& channel, Position after, std::uint32_t,
            Answer<link::ReadResult> answer) override {
    link::ReadResult out;
    out.head = {channel, kEpoch, 1, log.size()};
    for (std::size_t i = after.offset; i < log.size(); ++i)
      out.records.push_back({i + 1, std::make_shared<const std::string>(link::encode_update(log[i]))});
    answer(std::move(out));
  }
  void snapshot(const std::string&, const std::string&, Answer<link::SnapshotPage>) override {}
  void cancel_snapshot(const std::string&, const std::string&) override {}
  void list_incidents(link::ListIncidents q, Answer<link::IncidentsPage> answer) override {
    link::IncidentsPage page;
    page.head = {q.channel, kEpoch, 1, log.size()};
    auto it = q.cursor.empty() ? incidents.begin() : incidents.upper_bound(q.cursor);
    for (; it != incidents.end() && page.incidents.size() < std::min<std::size_t>(q.limit, 2); ++it)
      page.incidents.push_back({it->first, 1, it->second});
    if (it != incidents.end() && !page.incidents.empty()) page.cursor = page.incidents.back().key;
    answer(std::move(page));
  }
  void get_incident(link::GetIncident q, Answer<link::IncidentsPage> answer) override {
    link::IncidentsPage page;
    if (const auto it = incidents.find(q.key); it != incidents.end())
      page.incidents.push_back({it->first, 1, it->second});
    else
      page.fault = link::fault_of({Errc::not_found, "incident " + q.key});
    answer(std::move(page));
  }
  void get_channel(const std::string& channel, Answer<link::ChannelInfo> answer) override {
    link::ChannelInfo info;
    info.head = {channel, kEpoch, 1, log.size()};
    answer(std::move(info));
  }
  void put_session(link::SessionRecord, bool) override {}
  void claim_session(const std::string&, std::uint64_t, const std::string&,
                     Answer<link::SessionState>) override {}
  void drop_session(const std::string&, std::uint64_t) override {}
  void stage_sessions(const std::string&, std::vector<link::SessionRecord>,
                      Answer<link::StageAnswer>) override {}
  void session_moved(link::SessionMoved) override {}
  [[nodiscard]] const std::vector<link::EdgeInfo>& edges() const override { return edges_; }
  [[nodiscard]] const std::string& ticket_key() const override { return keys_.front(); }
  [[nodiscard]] const std::vector<std::string>& ticket_keys() const override { return keys_; }

 private:
  std::vector<link::EdgeInfo> edges_;
  std::vector<std::string> keys_{""};
};

Config guarded() {
  ::setenv(kEnv, kSecret.c_str(), 1);
  Config config;
  config.auth_key_env = kEnv;
  config.auth_row_policy = "tenant=label.tenant team=team";
  return config;
}

struct Rows {
  Rows() {
    REQUIRE(gate.load());
    api.guard(gate);
  }
  /// A label or team that is empty is not there.
  void put(const std::string& id, const std::string& tenant, const std::string& team) {
    std::string incident = R"({"id":")" + id + "\"";
    if (!team.empty()) incident += R"(,"team":")" + team + "\"";
    if (!tenant.empty()) incident += R"(,"labels":{"tenant":")" + tenant + "\"}";
    broker.incidents[id] = incident + "}";
    Update u;
    u.event_id = "e" + std::to_string(broker.log.size());
    u.kind = "updated";
    u.key = id;
    u.incident = broker.incidents[id];
    broker.log.push_back(std::move(u));
  }
  HttpReply get(const std::string& path, const std::string& query, const std::string& token) {
    HttpRequest request;
    request.method = "GET";
    request.path = path;
    request.query = query;
    request.token = token;
    HttpReply out;
    api.handle(request, [&out](HttpReply reply) { out = std::move(reply); });
    return out;
  }
  std::string token(const std::string& tenant, const std::string& team) {
    const auto now = clock.wall_ms() / 1'000;
    const auth::Claims claims{
        "bob", "", "", now, now + 3'600, {{"*"}, {"*"}, {}}, "", {{"tenant", tenant}, {"team", team}}};
    return *auth::mint(claims, {"", *crypto::SigningKey::secret(kSecret)}, {});
  }
  Config config = guarded();
  SystemClock clock;
  OldBroker broker;
  metrics::Registry registry;
  Metrics metrics{registry};
  Gate gate{config, clock, metrics};
  HttpApi api{config,
              clock,
              broker,
              {[] { return std::string(); }, [] { return std::string(); }, [] { return std::size_t{0}; }}};
};

bool lets(const std::string& claim, const std::string& value) {
  return claim == R"("*")" || (!value.empty() && claim.find("\"" + value + "\"") != std::string::npos);
}

}  // namespace

TEST_CASE("PROTOCOL 9.6: queries show what is inside, all of it, whatever the broker answers") {
  const std::vector<std::string> tenants{R"("a")", R"(["a","b"])", R"("*")", "[]"};
  const std::vector<std::string> teams{R"("x")", R"(["x","y"])", R"("*")"};
  for (unsigned seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    const auto one_of = [&random](const auto& list) { return list[random() % list.size()]; };
    Rows r;
    struct Of {
      std::string tenant, team;
    };
    std::map<std::string, Of> now;
    std::vector<Of> then;
    for (int i = 0; i < 40; ++i) {
      const std::string id = "I" + std::to_string(10 + random() % 15);
      now[id] = {one_of(std::vector<std::string>{"a", "b", "c", ""}),
                 one_of(std::vector<std::string>{"x", "y", ""})};
      then.push_back(now[id]);
      r.put(id, now[id].tenant, now[id].team);
    }
    const std::string tenant = one_of(tenants), team = one_of(teams), token = r.token(tenant, team);
    CAPTURE(tenant);
    CAPTURE(team);
    const auto may = [&](const Of& of) { return lets(tenant, of.tenant) && lets(team, of.team); };
    std::set<std::string> inside, seen;
    for (const auto& [id, of] : now)
      if (may(of)) inside.insert(id);
    std::string cursor;
    do {
      const auto reply =
          r.get("/v1/incidents", "channel=c&limit=2" + (cursor.empty() ? "" : "&cursor=" + cursor), token);
      REQUIRE(reply.status == 200);
      const auto page = json::parse(reply.body);
      for (const auto& one : json::find(*page, "incidents")->GetArray())
        CHECK(seen.insert(std::string(**json::string_member(one, "id"))).second);
      cursor = json::string_member(*page, "cursor")->value_or("");
      if (!cursor.empty()) CHECK(inside.contains(cursor));
    } while (!cursor.empty());
    CHECK(seen == inside);
    for (const auto& [id, of] : now) {
      const auto reply = r.get("/v1/incidents/" + id, "channel=c", token);
      CHECK(reply.status == (may(of) ? 200 : 404));
    }
    const auto history = json::parse(r.get("/v1/channels/c/updates", "after=0&limit=1000", token).body);
    std::set<std::size_t> shown, wanted;
    for (const auto& one : json::find(*history, "updates")->GetArray())
      shown.insert(json::find(one, "offset")->GetUint64());
    for (std::size_t i = 0; i < then.size(); ++i)
      if (may(then[i])) wanted.insert(i + 1);
    CHECK(shown == wanted);
    CHECK(json::find(*history, "to")->GetUint64() == then.size());
  }
}

}  // namespace tocsin::edge
