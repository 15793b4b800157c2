#include "edge/net/way_in.h"

#include <doctest/doctest.h>

namespace tocsin::edge {
namespace {

net::IpAddress ip(std::string_view text) { return *net::IpAddress::parse(text); }

WayIn of(const Config& config) {
  auto made = WayIn::make(config);
  REQUIRE_MESSAGE(made, (made ? std::string() : made.error().detail));
  return *made;
}

std::string client(const WayIn& way_in, std::string_view peer, Forwarded said) {
  return way_in.caller({ip(peer), false}, said).from.text();
}

TEST_CASE("edge net: the client is the last address that no trusted proxy has") {
  Config config;
  config.proxy_trusted = {"10.0.0.0/8", "2001:db8::/32"};
  const WayIn w = of(config);
  CHECK(client(w, "10.0.0.1", {"192.0.2.1", "", ""}) == "192.0.2.1");
  CHECK(client(w, "10.0.0.1", {"192.0.2.1, 10.0.0.2", "", ""}) == "192.0.2.1");
  CHECK(client(w, "10.0.0.1", {"6.6.6.6, 192.0.2.1", "", ""}) == "192.0.2.1");
  CHECK(client(w, "10.0.0.1", {"6.6.6.6,192.0.2.1:4000 ,\t10.9.9.9", "", ""}) == "192.0.2.1");
  CHECK(client(w, "10.0.0.1", {"10.0.0.9, 192.0.2.1", "", ""}) == "192.0.2.1");
  CHECK(client(w, "2001:db8::1", {"[2001:dead::5]:80", "", ""}) == "2001:dead::5");
  CHECK(client(w, "10.0.0.1", {"10.0.0.3, 10.0.0.2", "", ""}) == "10.0.0.3");
  // What cannot be read ends the walk at the proxy that wrote it.
  CHECK(client(w, "10.0.0.1", {"192.0.2.1, unknown", "", ""}) == "10.0.0.1");
  CHECK(client(w, "10.0.0.1", {"192.0.2.1, , 10.0.0.2", "", ""}) == "10.0.0.2");
  CHECK(client(w, "10.0.0.1", {"", "192.0.2.7", ""}) == "192.0.2.7");
  CHECK(client(w, "10.0.0.1", {"192.0.2.1", "6.6.6.6", ""}) == "192.0.2.1");
  CHECK(client(w, "10.0.0.1", {"", "nonsense", ""}) == "10.0.0.1");
  CHECK(client(w, "10.0.0.1", {}) == "10.0.0.1");
}

TEST_CASE("edge net: nobody else is believed") {
  Config config;
  config.proxy_trusted = {"10.0.0.0/8"};
  const Forwarded spoofed{"127.0.0.1", "127.0.0.1", "https"};
  CHECK(client(of(config), "192.0.2.1", spoofed) == "192.0.2.1");
  CHECK_FALSE(of(config).caller({ip("192.0.2.1"), false}, spoofed).secure);
  CHECK(client(of({}), "10.0.0.1", spoofed) == "10.0.0.1");
  CHECK(of(config).caller({ip("10.0.0.1"), false}, {"", "", "http, HTTPS"}).secure);
  CHECK_FALSE(of(config).caller({ip("10.0.0.1"), false}, {"", "", "https, http"}).secure);
}

TEST_CASE("edge net: origins by pattern") {
  Config config;
  config.origin_allowed = {"https://app.example.com", "https://*.example.org", "http://localhost:*", "null"};
  const WayIn w = of(config);
  for (const char* good : {"https://app.example.com", "HTTPS://App.Example.COM", "https://a.example.org",
                           "https://a.b.example.org", "http://localhost:3000", "http://localhost", "null"})
    CHECK_MESSAGE(w.origin_ok(good), good);
  for (const char* bad :
       {"http://app.example.com", "https://app.example.com:8443", "https://app.example.com.evil.net",
        "https://evilapp.example.com", "https://example.org", "https://evilexample.org",
        "https://.example.org", "https://evil.net/.example.org", "https://evil.net#.example.org",
        "https://evil.net\\.example.org", "https://*.example.org", "https://*", "*", "app.example.com",
        "https://", "file://", "https://a@app.example.com"})
    CHECK_MESSAGE(!w.origin_ok(bad), bad);
  CHECK(w.origin_ok(""));
  config.origin_missing = false;
  CHECK_FALSE(of(config).origin_ok(""));
  CHECK(of(config).request_origin_ok(""));
  CHECK_FALSE(w.any_origin());
  CHECK(of({}).any_origin());
  CHECK(of({}).origin_ok("https://anything.net"));
  Config every;
  every.origin_allowed = {"https://a.net", "*"};
  CHECK(of(every).any_origin());
  CHECK(of(every).origin_ok("https://b.net"));
  CHECK(of(every).origin_ok("null"));
  Config some;
  some.origin_allowed = {"https://a.net"};
  CHECK_FALSE(of(some).origin_ok("null"));
}

TEST_CASE("edge net: hosts by pattern") {
  Config config;
  config.listen_hosts = {"stream.example.com", "*.example.org", "a.net:8443", "[::1]"};
  const WayIn w = of(config);
  for (const char* good :
       {"stream.example.com", "Stream.Example.com:443", "x.example.org", "a.net:8443", "[::1]:80", "[::1]"})
    CHECK_MESSAGE(w.host_ok(good), good);
  for (const char* bad : {"", "example.com", "a.net", "a.net:80", "example.org", "evil.com/.example.org",
                          "*.example.org", "::1", "stream.example.com.evil.net"})
    CHECK_MESSAGE(!w.host_ok(bad), bad);
  CHECK(of({}).host_ok(""));
}

TEST_CASE("edge net: settings that cannot be meant are refused, with the row's name") {
  const auto refused = [](auto change) {
    Config config;
    change(config);
    const auto made = WayIn::make(config);
    return made ? std::string("taken") : made.error().detail;
  };
  CHECK(refused([](Config& c) { c.proxy_trusted = {"10.0.0.1/8"}; }).starts_with("proxy.trusted"));
  CHECK(refused([](Config& c) { c.proxy_protocol = ProxyProtocol::required; }).starts_with("proxy.protocol"));
  CHECK(refused([](Config& c) { c.origin_allowed = {"app.example.com"}; }).find("https://app.example.com") !=
        std::string::npos);
  CHECK(refused([](Config& c) { c.origin_allowed = {"https://a.*.com"}; }).starts_with("origin.allowed"));
  CHECK(refused([](Config& c) { c.origin_allowed = {"https://"}; }).starts_with("origin.allowed"));
  CHECK(refused([](Config& c) { c.listen_hosts = {"https://a.net"}; }).starts_with("listen.hosts"));
  CHECK(refused([](Config& c) { c.listen_hosts = {"a.net/x"}; }).starts_with("listen.hosts"));
}

}  // namespace
}  // namespace tocsin::edge
