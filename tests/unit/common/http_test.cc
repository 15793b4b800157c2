#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>
#include <stdexcept>

#include "common/http/client.h"
#include "common/http/server.h"
#include "common/http/url.h"
#include "common/http/ws_client.h"
#include "common/loop/handles.h"

namespace tocsin::http {
namespace {

using std::chrono::milliseconds;

struct Fixture {
  loop::Loop loop;
  Context context{loop};
  Client client{context};

  std::unique_ptr<Server> serve(Server::Handler handler) {
    auto server = Server::listen(context, "127.0.0.1", 0, std::move(handler));
    REQUIRE(server);
    return *std::move(server);
  }
  std::string url(const Server& server, std::string_view path) {
    return "http://127.0.0.1:" + std::to_string(server.port()) + std::string(path);
  }
  /// Turns the loop until `done`; a bounded wait, so that a broken build fails instead of hanging.
  bool until(const std::function<bool()>& done) {
    bool late = false;
    loop::Timer timer(loop);
    timer.start(milliseconds{10'000}, [&] { late = true; });
    while (!done() && !late) loop.run_once();
    return done();
  }
  Result<Response> ask(const std::string& method, const std::string& target, Headers headers = {},
                       std::string body = {}) {
    std::optional<Result<Response>> answer;
    client.request(method, target, std::move(headers), std::move(body), milliseconds{5'000},
                   [&](Result<Response> r) { answer = std::move(r); });
    REQUIRE(until([&] { return answer.has_value(); }));
    return *std::move(answer);
  }
};

/// Sends bytes as they are and returns all that comes back until the server closes.
int connect_raw(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(port);
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(fd, reinterpret_cast<const sockaddr*>(&a), sizeof a) == 0);
  return fd;
}

TEST_SUITE("http") {
  TEST_CASE_FIXTURE(Fixture, "a request reaches the handler whole, the response the client") {
    Request seen;
    const auto server = serve([&](const Request& r, const Responder& respond) {
      seen = r;
      respond({201, "text/plain", {{"x-extra", "1"}}, "hello"});
    });
    const auto r = ask("POST", url(*server, "/a/b?x=1&y=2"),
                       {{"authorization", "Bearer t"}, {"content-type", "application/json"}}, "{}");
    REQUIRE(r);
    CHECK(r->status == 201);
    CHECK(r->content_type == "text/plain");
    CHECK(r->body == "hello");
    CHECK(seen.method == "POST");
    CHECK(seen.path == "/a/b");
    CHECK(seen.query == "x=1&y=2");
    CHECK(find(seen.headers, "authorization") == "Bearer t");
    CHECK(seen.body == "{}");
  }

  TEST_CASE_FIXTURE(Fixture, "large bodies pass both ways; a body above the limit is refused") {
    const auto server = serve([](const Request& r, const Responder& respond) {
      respond({200, "text/plain", {}, r.body + r.body});
    });
    const std::string body(900'000, 'x');
    const auto r = ask("POST", url(*server, "/"), {}, body);
    REQUIRE(r);
    CHECK(r->body.size() == 1'800'000);
    const auto refused = ask("POST", url(*server, "/"), {}, std::string(2'000'000, 'x'));
    if (refused)
      CHECK(refused->status == 413);  // or the connection is cut while the body is still being sent
  }

  TEST_CASE_FIXTURE(Fixture, "an answer may come later, also after the client went away") {
    std::vector<Responder> waiting;
    const auto server = serve([&](const Request&, const Responder& respond) { waiting.push_back(respond); });
    {
      Client other(context);
      other.get(url(*server, "/"), milliseconds{5'000},
                [](const Result<Response>&) { FAIL("an abandoned request was answered"); });
      REQUIRE(until([&] { return waiting.size() == 1; }));
    }
    std::optional<Result<Response>> answer;
    client.get(url(*server, "/"), milliseconds{5'000}, [&](Result<Response> r) { answer = std::move(r); });
    REQUIRE(until([&] { return waiting.size() == 2; }));
    for (const auto& respond : waiting) respond({200, "text/plain", {}, "late"});
    REQUIRE(until([&] { return answer.has_value(); }));
    REQUIRE(*answer);
    CHECK((**answer).body == "late");
  }

  TEST_CASE_FIXTURE(Fixture, "no answer in time is a timeout, nobody there is unavailable") {
    std::vector<Responder> held;
    const auto server = serve([&](const Request&, const Responder& respond) { held.push_back(respond); });
    std::optional<Result<Response>> answer;
    client.get(url(*server, "/"), milliseconds{50}, [&](Result<Response> r) { answer = std::move(r); });
    REQUIRE(until([&] { return answer.has_value(); }));
    REQUIRE_FALSE(*answer);
    CHECK(answer->error().code == Errc::timeout);
    const auto nobody = ask("GET", "http://127.0.0.1:1/");
    REQUIRE_FALSE(nobody);
    CHECK(nobody.error().code == Errc::unavailable);
    CHECK(ask("GET", "gopher://x/").error().code == Errc::invalid_argument);
  }

  TEST_CASE("an IPv6 address in brackets is connected to without them") {
    CHECK(address_of(parse_url("http://[::1]:8080/")->host) == "::1");
    CHECK(address_of("edge.example") == "edge.example");
    CHECK(address_of("[") == "[");
  }

  TEST_CASE("a file of authorities that holds none is said, and the loop ends") {
    loop::Loop loop;
    CHECK_THROWS_AS(Context(loop, {Trust::In::authorities, "/nowhere/ca.pem"}), std::runtime_error);
    CHECK_FALSE(loop.run_ready());
  }

  TEST_CASE_FIXTURE(Fixture, "a request that its handler forgot is answered 500") {
    const auto server = serve([](const Request&, const Responder&) {});
    const auto r = ask("GET", url(*server, "/"));
    REQUIRE(r);
    CHECK(r->status == 500);
  }

  TEST_CASE_FIXTURE(Fixture, "a callback may destroy the client that called it") {
    const auto server = serve([](const Request&, const Responder& respond) {
      respond({200, "text/plain", {}, "x"});
    });
    for (const std::string& target :
         {url(*server, "/"), std::string("http://127.0.0.1:1/"), std::string("nonsense")}) {
      auto own = std::make_unique<Client>(context);
      own->get(target, milliseconds{5'000}, [&](const Result<Response>&) { own.reset(); });
      REQUIRE(until([&] { return own == nullptr; }));
    }
    std::unique_ptr<WsClient> ws;
    const auto refused = [&, witness = std::make_shared<int>(1)](std::uint16_t, std::string_view) {
      ws.reset();
      CHECK(*witness == 1);
    };
    ws = std::make_unique<WsClient>(context,
                                    WsClient::Events{.on_open = {}, .on_text = {}, .on_close = refused});
    REQUIRE(ws->connect("ws://127.0.0.1:1/", "", {}));
    REQUIRE(until([&] { return ws == nullptr; }));
  }

  TEST_CASE_FIXTURE(Fixture, "a server may go while clients are connected and requests wait") {
    std::vector<Responder> held;
    auto server = serve([&](const Request&, const Responder& respond) { held.push_back(respond); });
    const int fd = connect_raw(server->port());
    const std::string ask = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    REQUIRE(::send(fd, ask.data(), ask.size(), 0) == static_cast<ssize_t>(ask.size()));
    REQUIRE(until([&] { return held.size() == 1; }));
    server.reset();
    (void)::send(fd, ask.data(), ask.size(), MSG_NOSIGNAL);
    held.front()({200, "text/plain", {}, "too late"});
    bool closed = false;
    REQUIRE(until([&] {
      std::array<char, 64> buffer{};
      const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
      closed = n == 0 || (n < 0 && errno == ECONNRESET);
      return closed;
    }));
    CHECK(held.size() == 1);
    ::close(fd);
    server = serve([](const Request& r, const Responder& respond) {
      respond({200, "text/plain", {}, r.method});
    });
    const auto again = this->ask("GET", url(*server, "/"));
    if (!again) FAIL(again.error().detail);
    CHECK(again->status == 200);
  }

  TEST_CASE_FIXTURE(Fixture, "HTTP/1.0 without a Host header is answered") {
    const auto server = serve([](const Request& r, const Responder& respond) {
      respond({200, "text/plain", {}, r.path});
    });
    const int fd = connect_raw(server->port());
    const std::string ask = "GET /health HTTP/1.0\r\n\r\n";
    REQUIRE(::send(fd, ask.data(), ask.size(), 0) == static_cast<ssize_t>(ask.size()));
    std::string got;
    REQUIRE(until([&] {
      std::array<char, 4096> buffer{};
      const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (n > 0) got.append(buffer.data(), static_cast<std::size_t>(n));
      return got.find("/health") != std::string::npos;
    }));
    CHECK(got.find(" 200 ") != std::string::npos);
    ::close(fd);
  }

  TEST_CASE_FIXTURE(Fixture, "a taken port is refused in words") {
    const auto server = serve([](const Request&, const Responder&) {});
    const auto second = Server::listen(context, "127.0.0.1", server->port(), {});
    REQUIRE_FALSE(second);
    CHECK(second.error().detail.find("choose another port") != std::string::npos);
  }

  TEST_CASE_FIXTURE(Fixture, "a WebSocket that finds no WebSocket server is told once") {
    const auto server = serve([](const Request&, const Responder& respond) {
      respond({404, "text/plain", {}, ""});
    });
    int closes = 0;
    WsClient ws(context, {.on_open = [] { FAIL("opened"); },
                          .on_text = {},
                          .on_close = [&](std::uint16_t, std::string_view) { ++closes; }});
    REQUIRE(
        ws.connect("ws://127.0.0.1:" + std::to_string(server->port()) + "/v1/stream", "tocsin.v1.json", {}));
    REQUIRE(until([&] { return closes > 0; }));
    CHECK(closes == 1);
    WsClient nobody(context, {.on_open = {}, .on_text = {}, .on_close = [&](std::uint16_t, std::string_view) {
                                ++closes;
                              }});
    REQUIRE(nobody.connect("ws://127.0.0.1:1/", "", {}));
    REQUIRE(until([&] { return closes == 2; }));
  }

  TEST_CASE("URLs") {
    const auto url = parse_url("ws://127.0.0.1:8080/v1/stream?x=1");
    REQUIRE(url);
    CHECK(url->port == 8080);
    CHECK(url->path == "/v1/stream?x=1");
    CHECK_FALSE(url->secure());
    const auto secure = parse_url("https://edge.example/health");
    REQUIRE(secure);
    CHECK(secure->secure());
    CHECK(secure->port == 443);
    for (const char* bad : {"", "http://", "ftp://x", "127.0.0.1:80", "http://x:port/"}) {
      CAPTURE(bad);
      CHECK_FALSE(parse_url(bad));
    }
  }

  TEST_CASE("a part of a URL: letters and digits stay, what has a meaning there does not") {
    CHECK(percent_encode("aZ09-_.~") == "aZ09-_.~");
    CHECK(percent_encode("a/b?c=d&e f%\xc3\xa4") == "a%2Fb%3Fc%3Dd%26e%20f%25%C3%A4");
    CHECK(percent_encode("").empty());
  }
}

}  // namespace
}  // namespace tocsin::http
