#include <cstdio>
#include <iostream>

#include "common/crypto/crypto.h"
#include "common/json/json.h"
#include "ops/ctl/api.h"
#include "ops/ctl/byte_source.h"
#include "ops/ctl/commands.h"
#include "ops/ctl/exit_codes.h"

namespace tocsin::ops {
namespace {

constexpr std::size_t kBatchBytes = std::size_t{512} << 10;
constexpr std::size_t kMaxDocument = std::size_t{16} << 20;

/// The update with an event_id of ours if it has none: without one, asking a second edge might publish twice.
Result<std::string> identified(std::string_view text, const std::string& channel) {
  auto document = json::parse(text);
  if (!document) return document.error();
  if (!document->IsObject()) return Error{Errc::invalid_argument, "an update is a JSON object"};
  auto& memory = document->GetAllocator();
  const auto add = [&](const char* name, const std::string& value) {
    if (json::find(*document, name) != nullptr) return;
    document->AddMember(json::Value(name, memory), json::Value(value, memory), memory);
  };
  add("event_id", "ctl:" + crypto::random_hex(24));
  add("channel", channel);
  return json::text(*document);
}

/// A flag's value as JSON: numbers, true, false, null, objects and arrays as they are, everything else as a
/// string.
std::string value_json(const std::string& text) {
  const auto document = json::parse(text);
  return document ? json::text(*document) : json::quoted(text);
}

Result<std::string> from_flags(const PublishOptions& options) {
  std::string out = "{\"channel\":" + json::quoted(options.channel);
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) out += ",\"" + std::string(name) + "\":" + json::quoted(value);
  };
  add("kind", options.kind.empty() ? (options.event.empty() ? "updated" : options.event) : options.kind);
  add("key", options.key);
  add("event_id", options.event_id);
  add("actor", options.actor);
  if (options.if_version >= 0) out += ",\"if_version\":" + std::to_string(options.if_version);
  if (!options.event.empty()) {
    out += ",\"event\":{\"name\":" + json::quoted(options.event) +
           ",\"data\":" + (options.data.empty() ? "null" : value_json(options.data)) + "}";
    return out + "}";
  }
  if (options.key.empty())
    return Error{Errc::invalid_argument,
                 "--key (the incident's id) or --event is needed; or give updates with --file"};
  std::string members;
  for (const std::string& word : options.set) {
    const auto equals = word.find('=');
    if (equals == std::string::npos || equals == 0)
      return Error{Errc::invalid_argument, "--set " + word + ": write it as member=value"};
    members += (members.empty() ? "" : ",") + json::quoted(word.substr(0, equals)) + ":" +
               value_json(word.substr(equals + 1));
  }
  return out + ",\"incident\":{" + members + "}}";
}

/// Sends updates as NDJSON and shows each one's result, in order.
class Sender {
 public:
  Sender(Api& api, const PublishOptions& options) : api_(api), options_(options) {}

  Status add(std::string_view text) {
    ++number_;
    auto update = identified(text, options_.channel);
    if (!update)
      return Error{update.error().code, "update " + std::to_string(number_) + ": " + update.error().detail};
    batch_ += *update + "\n";
    return batch_.size() >= kBatchBytes ? flush() : Status{Done{}};
  }

  Status flush() {
    if (batch_.empty()) return Done{};
    auto answer = api_.ask("POST", "/v1/updates", {{"content-type", "application/x-ndjson"}},
                           std::exchange(batch_, {}));
    if (!answer) return answer.error();
    const auto document = json::parse(answer->body);
    const json::Value* results = document ? json::find(*document, "results") : nullptr;
    if (results == nullptr || !results->IsArray()) return problem_of(*answer);
    for (const json::Value& result : results->GetArray()) show(result);
    return Done{};
  }
  [[nodiscard]] bool any_refused() const noexcept { return refused_ > 0; }

 private:
  void show(const json::Value& result) {
    ++answered_;
    const json::Value* error = json::find(result, "error");
    if (error != nullptr) ++refused_;
    if (options_.json) {
      std::puts(json::text(result).c_str());
    } else if (error != nullptr) {
      std::fprintf(stderr, "tocsinctl: update %zu refused: %s\n", answered_, json::text(*error).c_str());
    } else {
      const json::Value* position = json::find(result, "position");
      const auto duplicate = json::bool_member(result, "duplicate");
      std::printf("published %s%s\n", position != nullptr ? json::text(*position).c_str() : "",
                  duplicate && duplicate->value_or(false) ? " (a duplicate: it was there before)" : "");
    }
  }

  Api& api_;
  const PublishOptions& options_;
  std::string batch_;
  std::size_t number_ = 0, answered_ = 0, refused_ = 0;
};

/// One JSON document, or one in each line.
Status send_file(Sender& sender, const std::string& path) {
  auto source = open_source(path);
  if (!source) return source.error();
  std::string text;
  char part[65536];
  for (;;) {
    const auto n = (*source)->read(part, sizeof part);
    if (!n) return n.error();
    text.append(part, *n);
    const bool end = *n == 0;
    // A document over several lines only shows at its end: until then lines that stand alone go out.
    std::size_t from = 0;
    for (std::size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n', from)) {
      const std::string_view line = std::string_view(text).substr(from, at - from);
      if (line.find_first_not_of(" \t\r") != std::string_view::npos) {
        if (!json::parse(line)) break;
        if (auto sent = sender.add(line); !sent) return sent;
      }
      from = at + 1;
    }
    text.erase(0, from);
    if (text.size() > kMaxDocument) return Error{Errc::too_large, "no whole JSON text within 16 MiB"};
    if (!end) continue;
    if (text.find_first_not_of(" \t\r\n") == std::string::npos) return Done{};
    return sender.add(text);
  }
}

}  // namespace

int run_publish(const PublishOptions& options) {
  auto file = open_cluster(options.cluster);
  if (!file) return complain(file.error().detail, kExitUnavailable);
  const http::Trust trust = trust_for(*file, options.ca);
  auto token = token_for(options.token_file);
  if (!token) return complain(token.error());
  Api api(*std::move(file), trust, *std::move(token));
  Sender sender(api, options);
  Status done = Done{};
  if (!options.file.empty()) {
    done = send_file(sender, options.file);
  } else {
    const auto update = from_flags(options);
    done = update ? sender.add(*update) : Status{update.error()};
  }
  const Status rest = sender.flush();  // what was whole goes out, even when a later line is broken
  if (!done) return complain(done.error());
  if (!rest) return complain(rest.error());
  return sender.any_refused() ? kExitPartly : kExitOk;
}

}  // namespace tocsin::ops
