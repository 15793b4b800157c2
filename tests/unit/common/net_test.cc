#include <doctest/doctest.h>

#include <string>

#include "common/net/ip.h"
#include "common/net/proxy_header.h"

namespace tocsin::net {
namespace {

using State = ProxyHeader::State;

TEST_CASE("common net: addresses are read and written, and both forms of IPv4 are one") {
  CHECK(IpAddress::parse("192.0.2.1")->text() == "192.0.2.1");
  CHECK(IpAddress::parse("2001:DB8::0:1")->text() == "2001:db8::1");
  CHECK(*IpAddress::parse("::ffff:192.0.2.1") == *IpAddress::parse("192.0.2.1"));
  CHECK(IpAddress::parse("::ffff:127.0.0.9")->is_loopback());
  CHECK(IpAddress::parse("::1")->is_loopback());
  CHECK_FALSE(IpAddress::parse("128.0.0.1")->is_loopback());
  CHECK(IpAddress().text() == "unknown");
  for (const char* bad :
       {"", "1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4x", "fe80::1%eth0", "::g", "1.2.3.4 ",
        "1.2.3.4:80", "[::1]", "localhost", "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc"})
    CHECK_MESSAGE(!IpAddress::parse(bad), bad);
}

TEST_CASE("common net: addresses as proxies write them") {
  CHECK(IpAddress::parse_node("192.0.2.1:5000")->text() == "192.0.2.1");
  CHECK(IpAddress::parse_node("[2001:db8::1]:5000")->text() == "2001:db8::1");
  CHECK(IpAddress::parse_node("[2001:db8::1]")->text() == "2001:db8::1");
  CHECK(IpAddress::parse_node("2001:db8::1")->text() == "2001:db8::1");
  for (const char* bad : {"unknown", "_hidden", "[192.0.2.1]", "[2001:db8::1", "[::1]x",
                          "[::1]:", "1.2.3.4:", "1.2.3.4:x", "1.2.3.4:123456", "a:1"})
    CHECK_MESSAGE(!IpAddress::parse_node(bad), bad);
}

TEST_CASE("common net: networks hold what is in them, at every prefix") {
  CHECK(Network::parse("10.0.0.0/8")->contains(*IpAddress::parse("10.255.0.1")));
  CHECK_FALSE(Network::parse("10.0.0.0/8")->contains(*IpAddress::parse("11.0.0.0")));
  CHECK(Network::parse("192.0.2.128/25")->contains(*IpAddress::parse("192.0.2.129")));
  CHECK_FALSE(Network::parse("192.0.2.128/25")->contains(*IpAddress::parse("192.0.2.127")));
  CHECK(Network::parse("0.0.0.0/0")->contains(*IpAddress::parse("8.8.8.8")));
  CHECK_FALSE(Network::parse("0.0.0.0/0")->contains(*IpAddress::parse("2001:db8::1")));
  CHECK(Network::parse("::/0")->contains(*IpAddress::parse("8.8.8.8")));
  CHECK(Network::parse("2001:db8::/33")->contains(*IpAddress::parse("2001:db8:7fff::1")));
  CHECK_FALSE(Network::parse("2001:db8::/33")->contains(*IpAddress::parse("2001:db8:8000::1")));
  CHECK(Network::parse("192.0.2.1")->contains(*IpAddress::parse("::ffff:192.0.2.1")));
  for (const char* bad :
       {"", "/8", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/8x", "10.0.0.1/8", "::1/129", "host"})
    CHECK_MESSAGE(!Network::parse(bad), bad);
  CHECK(Network::parse("10.0.0.1/8").error().detail.find("10.0.0.0/8") != std::string::npos);
}

std::string v2(unsigned char command, unsigned char family, const std::string& body) {
  std::string out{"\r\n\r\n\0\r\nQUIT\n", 12};
  out.push_back(static_cast<char>(command));
  out.push_back(static_cast<char>(family));
  out.push_back(static_cast<char>(body.size() >> 8U));
  out.push_back(static_cast<char>(body.size() & 255U));
  return out + body;
}

TEST_CASE("common net: PROXY protocol headers, in pieces and whole") {
  const std::string four{"\xc0\0\x02\x01\x0a\0\0\x01\x12\x34\x01\xbb", 12};
  const std::string six = std::string{"\x20\x01\x0d\xb8", 4} + std::string(11, '\0') + "\x07" +
                          std::string(16, '\0') + std::string{"\x12\x34\x01\xbb", 4};
  const std::string tls{"\x20\0\x05\x01\0\0\0\0", 8};
  struct Row {
    std::string header;
    const char* from;
    bool secure;
  };
  const Row rows[] = {
      {"PROXY TCP4 192.0.2.1 10.0.0.1 4660 443\r\n", "192.0.2.1", false},
      {"PROXY TCP6 2001:db8::7 ::1 4660 443\r\n", "2001:db8::7", false},
      {"PROXY UNKNOWN\r\n", "unknown", false},
      {"PROXY UNKNOWN ffff::1 ::1 1 2\r\n", "unknown", false},
      {v2(0x21, 0x11, four), "192.0.2.1", false},
      {v2(0x21, 0x21, six), "2001:db8::7", false},
      {v2(0x21, 0x11, four + tls), "192.0.2.1", true},
      {v2(0x21, 0x11, four + std::string{"\x20\0\xff\x01", 4}), "192.0.2.1", false},
      {v2(0x20, 0x00, ""), "unknown", false},
      {v2(0x20, 0x11, four), "unknown", false},
      {v2(0x21, 0x31, std::string(216, 'x')), "unknown", false},
  };
  for (const auto& row : rows) {
    CAPTURE(row.header);
    for (std::size_t n = 0; n < row.header.size(); ++n)
      CHECK(read_proxy_header(row.header.substr(0, n)).state == State::incomplete);
    const auto whole = read_proxy_header(row.header + "GET / HTTP/1.1\r\n");
    REQUIRE(whole.state == State::complete);
    CHECK(whole.size == row.header.size());
    CHECK(whole.from.text() == row.from);
    CHECK(whole.secure == row.secure);
  }
}

TEST_CASE("common net: what is no PROXY header is known as soon as it is") {
  const std::string four(12, 'x');
  for (const std::string& bad :
       {std::string("GET / HTTP/1.1\r\n"), std::string("PROXX"),
        std::string("PROXY TCP4 192.0.2.1 10.0.0.1 1 2\n"),
        std::string("PROXY TCP5 192.0.2.1 10.0.0.1 1 2\r\n"),
        std::string("PROXY TCP4 2001:db8::7 ::1 1 2\r\n"),
        std::string("PROXY TCP6 192.0.2.1 10.0.0.1 1 2\r\n"),
        std::string("PROXY TCP4 192.0.2.1 10.0.0.1 1 65536\r\n"),
        std::string("PROXY TCP4 192.0.2.1 10.0.0.1 1\r\n"),
        std::string("PROXY TCP4 192.0.2.1 10.0.0.1 1 2 3\r\n"),
        std::string("PROXY TCP4  192.0.2.1 10.0.0.1 1 2\r\n"), "PROXY UNKNOWN " + std::string(100, 'x'),
        v2(0x31, 0x11, four), v2(0x22, 0x11, four), v2(0x21, 0x11, four.substr(1)), v2(0x21, 0x21, four),
        v2(0x21, 0x11, std::string(3'000, 'x')), std::string("\x16\x03\x01", 3)}) {
    CAPTURE(bad);
    CHECK(read_proxy_header(bad).state == State::malformed);
  }
}

}  // namespace
}  // namespace tocsin::net
