#include "tests/sim/recorder.h"

#include <cstdlib>
#include <iostream>

#include "common/json/json.h"

namespace tocsin::sim {
namespace {

std::string of_client(const std::string& client, std::uint64_t conn) {
  return R"("client":")" + client + R"(","conn":)" + std::to_string(conn);
}
std::string of_publisher(const std::string& publisher, std::string_view event) {
  return R"("publisher":")" + publisher + R"(","e":")" + std::string(event) + "\"";
}

}  // namespace

void Recorder::line(const std::string& members) {
  world_.note(members);
  const std::string line = R"({"t":)" + std::to_string(world_.now()) + "," + members + "}";
  if (text_ != nullptr) *text_ << line << "\n";
  if (const auto ok = checker_.line(line); !ok) {
    std::cerr << "a history line is none: " << ok.error().detail << "\n" << line << "\n";
    std::abort();
  }
}

void Recorder::socket(const std::string& client, std::uint64_t conn, std::string_view event) {
  line(of_client(client, conn) + R"(,"e":")" + std::string(event) + "\"");
}
void Recorder::sent(const std::string& client, std::uint64_t conn, std::string_view frame) {
  line(of_client(client, conn) + R"(,"sent":)" + std::string(frame));
}
void Recorder::received(const std::string& client, std::uint64_t conn, std::string_view frame) {
  line(of_client(client, conn) + R"(,"frame":)" + std::string(frame));
}
void Recorder::rows(const std::string& client, std::uint64_t conn, const std::string& id,
                    std::string_view labels) {
  line(of_client(client, conn) + R"(,"e":"rows","id":)" + json::quoted(id) + R"(,"labels":)" +
       std::string(labels));
}
void Recorder::publishing(const std::string& publisher, std::string_view update) {
  line(of_publisher(publisher, "sent") + R"(,"update":)" + std::string(update));
}
void Recorder::acked(const std::string& publisher, std::string_view channel, std::string_view event_id,
                     Position position, bool duplicate) {
  line(of_publisher(publisher, "acked") + R"(,"channel":)" + json::quoted(channel) + R"(,"event_id":)" +
       json::quoted(event_id) + R"(,"position":{"epoch":")" + to_text(position.epoch) + R"(","offset":)" +
       std::to_string(position.offset) + R"(},"duplicate":)" + (duplicate ? "true" : "false"));
}
void Recorder::refused(const std::string& publisher, std::string_view event_id, std::string_view code) {
  line(of_publisher(publisher, "refused") + R"(,"event_id":)" + json::quoted(event_id) + R"(,"code":)" +
       json::quoted(code));
}
void Recorder::remark(std::string_view what) { line(R"("e":"remark","text":)" + json::quoted(what)); }

}  // namespace tocsin::sim
