// What a service manager hears of a process: sd_notify(3) on a socket of the test's own.
#include "common/service_manager.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>

using tocsin::Instant;
using tocsin::Millis;
using tocsin::ServiceManager;

namespace {

/// The manager's end of the socket.
class Manager {
 public:
  explicit Manager(const std::string& address) {
    socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    std::memcpy(at.sun_path, address.data(), address.size());
    if (address[0] == '@')
      at.sun_path[0] = '\0';
    else
      ::unlink(address.c_str());
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
    REQUIRE(::bind(socket_, reinterpret_cast<const sockaddr*>(&at), size) == 0);
    ::setenv("NOTIFY_SOCKET", address.c_str(), 1);
  }
  ~Manager() {
    ::close(socket_);
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) ::unsetenv(name);
  }
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;

  /// The next message; empty when there is none.
  [[nodiscard]] std::string heard() const {
    char bytes[512];
    const auto size = ::recv(socket_, bytes, sizeof bytes, 0);
    return size > 0 ? std::string(bytes, static_cast<std::size_t>(size)) : std::string();
  }

 private:
  int socket_ = -1;
};

std::string abstract_address() { return "@tocsin-test-" + std::to_string(::getpid()); }

}  // namespace

TEST_CASE("nobody who asked: every call does nothing") {
  ::unsetenv("NOTIFY_SOCKET");
  ServiceManager service;
  CHECK_FALSE(service.present());
  service.ready("serves");
  service.beat(Instant{Millis{1}});
  service.stopping("ends", Millis{10});
}

TEST_CASE("ready, status, stopping, by path and by abstract name") {
  const std::string path = "/tmp/tocsin-notify-" + std::to_string(::getpid());
  for (const std::string& address : {abstract_address(), path}) {
    CAPTURE(address);
    const Manager manager(address);
    ServiceManager service;
    REQUIRE(service.present());
    service.ready("serves\non 8080");
    CHECK(manager.heard() == "READY=1\nSTATUS=serves on 8080");
    service.status("serves on 8080");
    CHECK(manager.heard().empty());
    service.status("2 clients");
    CHECK(manager.heard() == "STATUS=2 clients");
    service.stopping("draining", Millis{32'000});
    CHECK(manager.heard() == "STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC=32000000");
    service.reloading();
    CHECK(manager.heard().starts_with("RELOADING=1\nMONOTONIC_USEC="));
  }
  ::unlink(path.c_str());
}

TEST_CASE(
    "a heartbeat comes at half of the watchdog's time, and only when it is this process that is watched") {
  const Manager manager(abstract_address());
  ::setenv("WATCHDOG_USEC", "2000000", 1);
  SUBCASE("no pid is named") {}
  SUBCASE("it is this one") { ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1); }
  ServiceManager service;
  const Instant start{Millis{5'000}};
  service.beat(start);
  CHECK(manager.heard() == "WATCHDOG=1");
  service.beat(start + Millis{999});
  CHECK(manager.heard().empty());
  service.beat(start + Millis{1'000});
  CHECK(manager.heard() == "WATCHDOG=1");
}

TEST_CASE("the watchdog of another process, or none") {
  const Manager manager(abstract_address());
  SUBCASE("another pid") {
    ::setenv("WATCHDOG_USEC", "2000000", 1);
    ::setenv("WATCHDOG_PID", "1", 1);
  }
  SUBCASE("no interval") {}
  SUBCASE("not a number") { ::setenv("WATCHDOG_USEC", "soon", 1); }
  ServiceManager service;
  service.beat(Instant{Millis{5'000}});
  CHECK(manager.heard().empty());
}

TEST_CASE("what this process starts does not speak in its name") {
  const Manager manager(abstract_address());
  ::setenv("WATCHDOG_USEC", "2000000", 1);
  const ServiceManager service;
  CHECK(std::getenv("NOTIFY_SOCKET") == nullptr);
  CHECK(std::getenv("WATCHDOG_USEC") == nullptr);
}

TEST_CASE("an address that is none, and a manager that went away") {
  for (const std::string& address : {std::string("tcp:9"), std::string("@"), "/" + std::string(200, 'x')}) {
    ::setenv("NOTIFY_SOCKET", address.c_str(), 1);
    ServiceManager service;
    CHECK_FALSE(service.present());
  }
  ::setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
  ServiceManager service;
  CHECK(service.present());
  service.ready("serves");  // lost, and nothing else happens
  ::unsetenv("NOTIFY_SOCKET");
}
