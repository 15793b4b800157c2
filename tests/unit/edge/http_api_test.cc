#include "edge/http_api/http_api.h"

#include <doctest/doctest.h>

#include <deque>

#include "common/json/json.h"

namespace tocsin::edge {
namespace {

constexpr Epoch kEpoch{0xabc};

/// Answers from a tiny log when told to, so that a test decides the order of things.
class FakeBroker final : public BrokerPort {
 public:
  FakeBroker() = default;
  void want(const std::string&) override {}
  void unwant(const std::string&) override {}
  void publish(std::vector<Draft> drafts, Answer<std::vector<link::PublishOutcome>> answer) override {
    later.emplace_back([this, drafts = std::move(drafts), answer = std::move(answer)] {
      if (away) return answer(Error{Errc::unavailable, "no broker"});
      std::vector<link::PublishOutcome> outcomes;
      for (const auto& d : drafts) {
        link::PublishOutcome o;
        o.event_id = d.event_id;
        if (d.key == "bad") {
          o.fault = link::fault_of({Errc::conflict, "at 3"});
        } else {
          o.position = {kEpoch, ++last};
        }
        outcomes.push_back(o);
      }
      answer(std::move(outcomes));
    });
  }
  void read(const std::string& channel, Position after, std::uint32_t,
            Answer<link::ReadResult> answer) override {
    link::ReadResult r;
    r.head = {channel, kEpoch, 1, 3};
    if (after.epoch != kEpoch) r.fault = link::fault_of({Errc::position_lost, "epoch_changed"});
    for (Offset o = after.offset + 1; o <= 3 && r.fault.ok(); ++o) {
      Update u;
      u.event_id = "e" + std::to_string(o);
      u.key = "I1";
      u.incident = "{}";
      r.records.push_back({o, std::make_shared<const std::string>(link::encode_update(u))});
    }
    answer(std::move(r));
  }
  void snapshot(const std::string&, const std::string&, Answer<link::SnapshotPage>) override {}
  void cancel_snapshot(const std::string&, const std::string&) override {}
  void list_incidents(link::ListIncidents q, Answer<link::IncidentsPage> answer) override {
    listed = q;
    link::IncidentsPage p;
    p.head = {q.channel, kEpoch, 1, 3};
    p.incidents.push_back({"I1", 3, R"({"id":"I1"})"});
    p.cursor = "I1";
    answer(std::move(p));
  }
  void get_incident(link::GetIncident q, Answer<link::IncidentsPage> answer) override {
    link::IncidentsPage p;
    if (q.key == "I/1") p.incidents.push_back({"I/1", 3, R"({"id":"I/1"})"});
    if (p.incidents.empty()) p.fault = link::fault_of({Errc::not_found, "incident"});
    answer(std::move(p));
  }
  void get_channel(const std::string& channel, Answer<link::ChannelInfo> answer) override {
    link::ChannelInfo info;
    info.head = {channel, kEpoch, 1, 3};
    answer(std::move(info));
  }
  void put_session(link::SessionRecord, bool) override {}
  void claim_session(const std::string&, std::uint64_t, const std::string&,
                     Answer<link::SessionState>) override {}
  void drop_session(const std::string&, std::uint64_t) override {}
  void stage_sessions(const std::string&, std::vector<link::SessionRecord>,
                      Answer<link::StageAnswer>) override {}
  void session_moved(link::SessionMoved) override {}
  [[nodiscard]] const std::vector<link::EdgeInfo>& edges() const override { return known_edges; }
  [[nodiscard]] const std::string& ticket_key() const override { return keys.front(); }
  [[nodiscard]] const std::vector<std::string>& ticket_keys() const override { return keys; }

  void run() {
    while (!later.empty()) {
      auto step = std::move(later.front());
      later.pop_front();
      step();
    }
  }

  std::deque<std::function<void()>> later;
  link::ListIncidents listed;
  Offset last = 0;
  bool away = false;
  std::vector<link::EdgeInfo> known_edges;
  std::vector<std::string> keys{""};
};

struct Fixture {
  Config config;
  SystemClock clock;
  FakeBroker broker;
  std::string not_ready;
  HttpApi api{config,
              clock,
              broker,
              {[this] { return not_ready; }, [] { return std::string("metric 1\n"); },
               [] { return std::size_t{2}; }}};
  std::vector<HttpReply> replies;

  HttpReply ask(std::string method, std::string path, std::string query = "", std::string body = "",
                std::string type = "application/json") {
    HttpRequest r;
    r.method = std::move(method);
    r.path = std::move(path);
    r.query = std::move(query);
    r.body = std::move(body);
    r.content_type = std::move(type);
    api.handle(r, [this](HttpReply reply) { replies.push_back(std::move(reply)); });
    broker.run();
    REQUIRE(replies.size() == 1);
    HttpReply out = std::move(replies.front());
    replies.clear();
    return out;
  }
  bool has(const HttpReply& reply, std::string_view part) {
    return reply.body.find(part) != std::string::npos;
  }
};

constexpr const char* kLine = R"({"event_id":"a","key":"I1","incident":{"title":"x"}})";

TEST_SUITE("HttpApi") {
  TEST_CASE_FIXTURE(Fixture, "PROTOCOL 6.1: one update is answered with its position") {
    const auto r = ask("POST", "/v1/updates", "", kLine);
    CHECK(r.status == 200);
    REQUIRE(json::parse(r.body));
    CHECK(has(r,
              R"("position":{"epoch":"0000000000000abc","offset":1},"duplicate":false,"durability":"disk")"));
  }

  TEST_CASE_FIXTURE(Fixture, "PROTOCOL 6.1: NDJSON is answered in order, a refused line in its place") {
    const std::string body = std::string(kLine) + "\n{\n\n" + R"({"key":"bad","incident":{}})" + "\n" + kLine;
    const auto r = ask("POST", "/v1/updates", "", body, "application/x-ndjson");
    CHECK(r.status == 200);
    const auto doc = json::parse(r.body);
    REQUIRE(doc);
    const auto& results = *json::find(*doc, "results");
    REQUIRE(results.Size() == 4);
    CHECK(json::find(results[0], "position") != nullptr);
    CHECK(json::find(results[1], "line")->GetUint64() == 2);
    CHECK(json::find(results[2], "line")->GetUint64() == 4);
    CHECK(json::view(*json::find(*json::find(results[2], "error"), "code")) == "conflict");
    CHECK(json::find(*json::find(results[3], "position"), "offset")->GetUint64() == 2);
  }

  TEST_CASE_FIXTURE(Fixture,
                    "an upload in single bytes is the same as one in a piece, and says when it is full") {
    HttpRequest r;
    r.method = "POST";
    r.path = "/v1/updates";
    r.content_type = "application/x-ndjson";
    REQUIRE(api.takes_upload(r));
    auto upload = api.upload(r, [this](HttpReply reply) { replies.push_back(std::move(reply)); });
    std::string body;
    for (int i = 0; i < 5'000; ++i) body += std::string(kLine) + "\n";
    for (const char c : body) CHECK(upload->feed({&c, 1}));
    CHECK(upload->full());
    broker.run();
    CHECK_FALSE(upload->full());
    upload->finish();
    broker.run();
    REQUIRE(replies.size() == 1);
    const auto doc = json::parse(replies[0].body);
    REQUIRE(doc);
    CHECK(json::find(*doc, "results")->Size() == 5'000);
  }

  TEST_CASE_FIXTURE(Fixture, "an upload whose socket died gives no reply") {
    HttpRequest r;
    r.method = "POST";
    r.path = "/v1/updates";
    r.content_type = "application/x-ndjson";
    auto upload = api.upload(r, [this](HttpReply reply) { replies.push_back(std::move(reply)); });
    CHECK(upload->feed(std::string(kLine) + "\n"));
    upload.reset();
    broker.run();
    CHECK(replies.empty());
  }

  TEST_CASE_FIXTURE(Fixture, "a body that is too large is refused while it comes") {
    config.body_max_bytes = 1'024;
    const auto r = ask("POST", "/v1/updates", "", std::string(2'000, ' '));
    CHECK(r.status == 413);
    CHECK(r.content_type == "application/problem+json");
  }

  TEST_CASE_FIXTURE(Fixture, "PROTOCOL 7: refused requests name code, status and what to do") {
    struct Row {
      const char* method;
      const char* path;
      const char* query;
      const char* body;
      int status;
      const char* part;
    };
    const Row rows[] = {
        {"GET", "/nope", "", "", 404, "no such path"},
        {"GET", "/v1/updates", "", "", 405, "method_not_allowed"},
        {"DELETE", "/v1/incidents", "", "", 405, "method_not_allowed"},
        {"POST", "/v1/updates", "", "", 400, "holds no update"},
        {"POST", "/v1/updates", "", "{", 400, "JSON at byte"},
        {"POST", "/v1/updates", "", R"({"key":"bad","incident":{}})", 409, "conflict"},
        {"GET", "/v1/incidents", "limit=0", "", 400, "limit"},
        {"GET", "/v1/incidents", "limit=x", "", 400, "limit"},
        {"GET", "/v1/incidents", "channel=a%20b", "", 400, "channel"},
        {"GET", "/v1/incidents", "severity=%zz", "", 400, ""},
        {"GET", "/v1/incidents/none", "", "", 404, "not_found"},
        {"GET", "/v1/channels/incidents/updates", "epoch=zz&after=0", "", 400, "epoch"},
        {"GET", "/v1/channels/incidents/updates", "epoch=0000000000000001&after=0", "", 410, "epoch_changed"},
    };
    for (const Row& row : rows) {
      CAPTURE(row.path);
      CAPTURE(row.query);
      const auto r = ask(row.method, row.path, row.query, row.body);
      CHECK(r.status == row.status);
      CHECK(r.content_type == "application/problem+json");
      CHECK(json::parse(r.body));
      CHECK(has(r, row.part));
    }
  }

  TEST_CASE_FIXTURE(Fixture, "without a broker a publish says unavailable") {
    broker.away = true;
    CHECK(ask("POST", "/v1/updates", "", kLine).status == 503);
    const auto lines = ask("POST", "/v1/updates", "", kLine, "application/x-ndjson");
    CHECK(lines.status == 503);
    CHECK(has(lines, "\"retry\":\"backoff\""));
  }

  TEST_CASE_FIXTURE(Fixture, "PROTOCOL 6.2: incidents are listed by filter and page") {
    const auto r = ask("GET", "/v1/incidents", "severity=P1,P0&active=true&limit=5&cursor=I0");
    CHECK(r.status == 200);
    CHECK(broker.listed.filter == R"({"severity":["P0","P1"],"active":true})");
    CHECK(broker.listed.limit == 5);
    CHECK(broker.listed.cursor == "I0");
    CHECK(has(r, R"("incidents":[{"id":"I1"}],"cursor":"I1")"));
    CHECK(ask("GET", "/v1/incidents/I%2F1").body == R"({"id":"I/1"})");
  }

  TEST_CASE_FIXTURE(Fixture, "PROTOCOL 6.3: catch-up pages follow each other") {
    const auto first = ask("GET", "/v1/channels/incidents/updates", "after=0&limit=2");
    CHECK(has(first, R"("offset":1,)"));
    CHECK(has(first, R"("offset":2,)"));
    CHECK_FALSE(has(first, R"("offset":3,)"));
    CHECK(has(first, "\"more\":true"));
    const auto second =
        ask("GET", "/v1/channels/incidents/updates", "epoch=0000000000000abc&after=2&limit=2");
    CHECK(has(second, R"("offset":3,)"));
    CHECK(has(second, "\"more\":false"));
    CHECK(ask("GET", "/v1/channels/tenant-7/incidents").body ==
          R"({"channel":"tenant-7/incidents","epoch":"0000000000000abc","first":1,"last":3})");
  }

  TEST_CASE_FIXTURE(Fixture, "PROTOCOL 6.4: health tells alive from ready") {
    not_ready = "the broker was not heard for 4 s";
    CHECK(ask("GET", "/health/live").status == 200);
    CHECK(ask("GET", "/health").status == 200);
    const auto r = ask("GET", "/health/ready");
    CHECK(r.status == 503);
    CHECK(has(r, not_ready));
    not_ready.clear();
    CHECK(ask("GET", "/health/ready").status == 200);
    CHECK(ask("GET", "/metrics").body == "metric 1\n");
  }
}

}  // namespace
}  // namespace tocsin::edge
