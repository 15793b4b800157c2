#include "tests/checker/checker.h"

#include <map>

#include "tests/checker/client.h"

namespace tocsin::checker {

struct Checker::State {
  explicit State(std::size_t keep) : run(keep) {}
  Client& client(std::string_view name);
  void meta(const json::Value& line);
  Status publisher(const json::Value& line);
  Status client_line(std::string_view name, const json::Value& line);

  Run run;
  std::map<std::string, Client, std::less<>> clients;
};

Client& Checker::State::client(std::string_view name) {
  auto it = clients.find(name);
  if (it == clients.end())
    it = clients
             .emplace(std::piecewise_construct, std::forward_as_tuple(name),
                      std::forward_as_tuple(run, std::string(name)))
             .first;
  return it->second;
}

void Checker::State::meta(const json::Value& line) {
  run.all_publishers = flag_of(line, "all_publishers");
  run.history_kept = flag_of(line, "history_kept");
  run.dedup_window = number_of(line, "dedup_window", 0);
  run.stable_epochs = flag_of(line, "stable_epochs");
  if (const json::Value* list = json::find(line, "stable_epochs"); list != nullptr && list->IsArray())
    for (const auto& channel : list->GetArray())
      if (channel.IsString()) run.stable_channels.emplace_back(json::view(channel));
}

Status Checker::State::publisher(const json::Value& line) {
  const auto e = text_of(line, "e");
  if (e == "sent") {
    const json::Value* update = json::find(line, "update");
    if (update == nullptr || !update->IsObject())
      return Error{Errc::invalid_argument, "\"sent\" without \"update\""};
    run.publishes.sent(*update);
  } else if (e == "acked") {
    const json::Value* position = json::find(line, "position");
    if (position == nullptr || number_of(*position, "offset", 0) == 0)
      return Error{Errc::invalid_argument, "\"acked\" without \"position\""};
    run.publishes.acked(text_of(line, "event_id"),
                        run.logs.id(text_of(line, "channel"), text_of(*position, "epoch")),
                        number_of(*position, "offset", 0));
  } else if (e == "refused") {
    run.publishes.refused(text_of(line, "event_id"));
  }
  return Done{};
}

Status Checker::State::client_line(std::string_view name, const json::Value& line) {
  const auto conn = number_of(line, "conn", 0);
  if (const json::Value* frame = json::find(line, "frame")) {
    if (!frame->IsObject()) return Error{Errc::invalid_argument, "\"frame\" must be an object"};
    client(name).received(conn, *frame);
  } else if (const json::Value* sent = json::find(line, "sent")) {
    if (!sent->IsObject()) return Error{Errc::invalid_argument, "\"sent\" must be an object"};
    client(name).sent(conn, *sent);
  } else if (const auto e = text_of(line, "e"); e == "open") {
    client(name).opened(conn);
  } else if (e == "rows") {
    const json::Value* labels = json::find(line, "labels");
    if (labels == nullptr) return Error{Errc::invalid_argument, "\"rows\" without \"labels\""};
    client(name).rows(conn, std::string(text_of(line, "id")), *labels);
  } else if (e == "close") {
    client(name).closed(conn);
  } else if (e == "forget") {
    client(name).forget();
  }
  return Done{};
}

Checker::Checker(std::size_t keep) : state_(std::make_unique<State>(keep)) {}
Checker::~Checker() = default;

Status Checker::line(std::string_view text) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) return Done{};
  const auto doc = json::parse(text);
  if (!doc) return doc.error();
  if (!doc->IsObject()) return Error{Errc::invalid_argument, "a line must be a JSON object"};
  Run& run = state_->run;
  run.findings.at_line(++run.findings.verdict().lines);
  if (const auto name = text_of(*doc, "publisher"); !name.empty()) return state_->publisher(*doc);
  if (const auto name = text_of(*doc, "client"); !name.empty()) return state_->client_line(name, *doc);
  if (text_of(*doc, "e") == "meta") state_->meta(*doc);
  if (text_of(*doc, "e") == "settled")
    for (auto& [name, client] : state_->clients) client.settled();
  return Done{};
}

Verdict Checker::finish() {
  Run& run = state_->run;
  run.findings.at_line(0);
  for (auto& [name, client] : state_->clients) client.finish();
  run.evidence.judge(run.clients);
  run.publishes.judge(run.all_publishers, run.dedup_window);
  return run.findings.verdict();
}

}  // namespace tocsin::checker
