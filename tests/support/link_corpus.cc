// Writes one file for each kind of link message, filled in every member, into a folder: the seed of
// proto/corpus/<version>. Run once when the wire changes, into a new folder; the old folders stay, and a test
// keeps reading them.
//
//   link_corpus proto/corpus/v1
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "proto/link_message.h"

namespace tocsin::link {
namespace {

constexpr Epoch kEpoch{0x0123456789abcdefULL};

std::vector<Record> records() {
  Update u;
  u.event_id = "e-1";
  u.kind = "resolved";
  u.key = "INC1";
  u.at = "2026-01-02T03:04:05.678Z";
  u.actor = "bob";
  u.changed = {"status", "resolved_at"};
  u.incident = R"({"id":"INC1","severity":"P1","status":"resolved","labels":{"service":"api"},"version":2})";
  u.ends = true;
  Update e;
  e.event_id = "e-2";
  e.kind = "event";
  e.event_name = "deploy";
  e.event_data = R"({"version":[1,2]})";
  return {{17, std::make_shared<const std::string>(encode_update(u))},
          {18, std::make_shared<const std::string>(encode_update(e))}};
}

SessionRecord session() {
  return {"00112233445566778899aabbccddeeff",
          "bob",
          3,
          {{"a", "incidents", R"({"severity":["P1"]})", {kEpoch, 17}, true, 5, "json"}},
          "edge-0"};
}

std::vector<Revocation> revocations() {
  return {{Revocation::Of::token, "t-1", 0, 1'760'000'100'000, 4},
          {Revocation::Of::subject, "bob", 1'760'000'000'000, 1'760'000'200'000, 5}};
}

std::vector<std::pair<std::string, Message>> up() {
  const Draft draft{
      "incidents", "e-1", "updated", "INC1", "2026-01-02T03:04:05Z", "bob", R"({"status":"resolved"})",
      "",          "",    1};
  return {
      {"hello", Hello{1, "edge", "edge-0", 42, "r1", "ws://127.0.0.1:8080/v1/stream"}},
      {"edge_heartbeat", EdgeHeartbeat{5, 1'000'000, 12, "ready", 5'000, 200, 350, 100}},
      {"interest", Interest{"incidents", true}},
      {"publish", Publish{9, {draft}}},
      {"read", Read{10, "incidents", kEpoch, 16, 1'000, 65'536}},
      {"snapshot_next", SnapshotNext{11, "incidents", "c1", true}},
      {"list_incidents", ListIncidents{12, "incidents", R"({"active":true})", "c2", 50}},
      {"get_incident", GetIncident{13, "incidents", "INC1"}},
      {"get_channel", GetChannel{14, "incidents"}},
      {"session_put", SessionPut{session(), true}},
      {"session_puts", SessionPuts{{{session(), true}, {session(), false}}}},
      {"session_claim", SessionClaim{15, "00112233445566778899aabbccddeeff", "edge-1", 3, "bob"}},
      {"session_drop", SessionDrop{"00112233445566778899aabbccddeeff", 3}},
      {"stage_sessions", StageSessions{16, "edge-0", "edge-1", {session(), session()}}},
      {"stage_answer", StageAnswer{16, "edge-0", 1, {"overloaded", "cordoned"}}},
      {"session_moved", SessionMoved{"00112233445566778899aabbccddeeff", 4, "edge-0", "edge-1", "snapshot"}},
      {"revoke", Revoke{17, revocations()}},
      {"revocations_ask", RevocationsAsk{0x0123456789abcdef, 3}},
      {"counts_report", CountsReport{true, {{"a", 12}, {"i192.0.2.1", 3}, {"sbob", 1}}, 4, 10, 1'000}}};
}

std::vector<std::pair<std::string, Message>> down() {
  const Head head{"incidents", kEpoch, 1, 18};
  const std::vector<IncidentState> states{{"INC1", 17, R"({"id":"INC1"})"}};
  const Fault fault{"conflict", "version 4"};
  const EdgeInfo edge{"edge-1", "ws://127.0.0.1:8081/v1/stream", "r2", "ready", 12, 5'000, 200, 350, 100};
  const PublishOutcome kept{{kEpoch, 17}, true, Durability::memory, 2, "e-1", {}};
  const PublishOutcome refused{{}, false, Durability::disk, 0, "e-2", fault};
  return {{"welcome", Welcome{"cluster-1", 43, "key", 1'000, 4'096, {"key", "key before"}}},
          {"refused", Refused{{"unavailable", "hello first"}}},
          {"broker_heartbeat", BrokerHeartbeat{6, {head}, 7, "the disk is full", {edge}}},
          {"interest_ack", InterestAck{head}},
          {"updates", Updates{"incidents", kEpoch, records()}},
          {"publish_result", PublishResult{9, {kept, refused}}},
          {"read_result", ReadResult{10, head, records(), {}}},
          {"snapshot_page", SnapshotPage{11, {kEpoch, 18}, states, true, "c1", {}}},
          {"incidents_page", IncidentsPage{12, head, states, "c3", {}}},
          {"channel_info", ChannelInfo{14, head, {"not_found", "no channel"}}},
          {"session_state", SessionState{15, true, session(), {}, "edge-0"}},
          {"session_fenced", SessionFenced{"00112233445566778899aabbccddeeff", 4, "edge-1"}},
          {"ticket_keys", TicketKeys{{"key", "key before"}}},
          {"revocations", Revocations{0x0123456789abcdef, 3, 5, revocations()}},
          {"revoke_answer", RevokeAnswer{17, {"too_many", "10000"}}}},
          {"counts_told", CountsTold{true, {{"a", 12}, {"i192.0.2.1", 3}, {"sbob", 1}}}}};
}

bool write(const std::filesystem::path& folder,
           const std::vector<std::pair<std::string, Message>>& messages) {
  for (const auto& [name, message] : messages) {
    std::ofstream out(folder / (name + ".bin"), std::ios::binary);
    out << encode(message);
    if (!out.flush()) return false;
  }
  return true;
}

}  // namespace
}  // namespace tocsin::link

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: link_corpus FOLDER\n";
    return 2;
  }
  const std::filesystem::path folder = argv[1];
  std::filesystem::create_directories(folder);
  if (!tocsin::link::write(folder, tocsin::link::up()) ||
      !tocsin::link::write(folder, tocsin::link::down())) {
    std::cerr << "cannot write into " << folder << "\n";
    return 1;
  }
  return 0;
}
