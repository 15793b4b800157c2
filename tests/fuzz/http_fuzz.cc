// The HTTP API: a request gets exactly one reply with a known status; problems are JSON; an upload gives the
// same results in whatever pieces its body comes. Input: "METHOD TARGET", content type, then the body after
// the second line break.
#include <memory>
#include <string>

#include "common/json/json.h"
#include "edge/http_api/http_api.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/edge/session/rig.h"

namespace {

using namespace tocsin;
using namespace tocsin::edge;

std::string_view cut_line(std::string_view& rest) {
  const std::size_t end = rest.find('\n');
  const auto line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return line;
}

HttpRequest request_of(std::string_view input) {
  HttpRequest request;
  std::string_view first = cut_line(input);
  request.content_type = cut_line(input);
  request.body = input;
  const std::size_t space = first.find(' ');
  request.method = first.substr(0, space);
  if (space != std::string_view::npos) first.remove_prefix(space + 1);
  const std::size_t mark = first.find('?');
  request.path = first.substr(0, mark);
  if (mark != std::string_view::npos) request.query = first.substr(mark + 1);
  return request;
}

struct Replies {
  int count = 0;
  HttpReply last;
  [[nodiscard]] HttpApi::Reply into() {
    return [this](HttpReply reply) {
      ++count;
      last = std::move(reply);
    };
  }
};

void check(const Replies& replies) {
  FUZZ_CHECK(replies.count == 1);
  const auto& reply = replies.last;
  FUZZ_CHECK(reply.status >= 200 && reply.status < 600);
  if (!reply.content_type.starts_with("text/")) FUZZ_CHECK(json::parse(reply.body));
  for (const auto& [name, value] : reply.headers)
    FUZZ_CHECK(value.find_first_of("\r\n") == std::string::npos);
}

/// Uploads the body in pieces of `piece` bytes; the reply's body.
std::string upload(const HttpRequest& request, std::size_t piece) {
  rig::ManualClock clock;
  rig::FakeBroker broker;
  const Config config;
  HttpApi api(config, clock, broker,
              {[] { return std::string(); }, [] { return std::string(); }, [] { return std::size_t{0}; }});
  Replies replies;
  if (auto up = api.upload(request, replies.into())) {
    bool more = true;
    for (std::size_t at = 0; more && at < request.body.size(); at += piece)
      more = up->feed(std::string_view(request.body).substr(at, piece));
    if (more) up->finish();
    broker.answer();
  }
  check(replies);
  return std::to_string(replies.last.status) + replies.last.body;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const HttpRequest request = request_of(fuzz::text(data, size));
  rig::ManualClock clock;
  rig::FakeBroker broker;
  broker.add("incidents", "I1");
  const Config config;
  HttpApi api(config, clock, broker,
              {[] { return std::string("asleep \"\n"); }, [] { return std::string("x 1\n"); },
               [] { return std::size_t{3}; }});
  if (api.takes_upload(request)) {
    const std::string whole = upload(request, request.body.size() + 1);
    FUZZ_CHECK(upload(request, 7) == whole);
    return 0;
  }
  Replies replies;
  api.handle(request, replies.into());
  broker.answer();
  if (request.path == "/v1/incidents" || request.path.starts_with("/v1/incidents/"))
    return 0;  // this broker leaves them unanswered
  check(replies);
  return 0;
}
