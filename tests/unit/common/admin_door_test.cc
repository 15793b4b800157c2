#include "common/auth/admin_door.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace tocsin::auth {
namespace {

class File {
 public:
  explicit File(std::string_view text) {
    path = (std::filesystem::temp_directory_path() / "tocsin-door-XXXXXX").string();
    const int fd = ::mkstemp(path.data());
    REQUIRE(fd >= 0);
    ::close(fd);
    write(text);
  }
  ~File() { std::filesystem::remove(path); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  void write(std::string_view text) const { std::ofstream(path) << text; }
  std::string path;
};

constexpr std::string_view kViewer = "viewer-token";
constexpr std::string_view kOperator = "operator-token";

std::string roles() {
  return "# who may what\n\n" + roles_line(Role::viewer, "vera", kViewer) +
         roles_line(Role::operate, "otto", kOperator);
}

std::string bearer(std::string_view token) { return "Bearer " + std::string(token); }

AdminDoor door_of(const AdminSettings& settings) {
  AdminDoor door;
  const auto ready = door.prepare(settings);
  REQUIRE_MESSAGE(ready, (ready ? "" : ready.error().detail));
  door.take();
  return door;
}

Errc refused(const Result<Administrator>& who) {
  REQUIRE(!who);
  return who.error().code;
}

TEST_SUITE("common.auth.admin_door") {
  TEST_CASE("a role may do what those below it may, and not more") {
    const File list(roles());
    const File token("the-admin-token\n");
    const AdminDoor door = door_of({token.path, list.path, false});
    CHECK(door.admit(bearer(kViewer), false, Role::viewer)->name == "vera");
    CHECK(refused(door.admit(bearer(kViewer), false, Role::operate)) == Errc::forbidden);
    CHECK(door.admit(bearer(kOperator), false, Role::viewer));
    CHECK(door.admit(bearer(kOperator), false, Role::operate)->name == "otto");
    CHECK(refused(door.admit(bearer(kOperator), false, Role::admin)) == Errc::forbidden);
    for (const Role role : {Role::viewer, Role::operate, Role::admin})
      CHECK(door.admit(bearer("the-admin-token"), false, role)->role == Role::admin);
    CHECK(door.admit("bearer the-admin-token", false, Role::admin));
  }

  TEST_CASE("no token, a wrong one, a hash for a token, another scheme: nobody") {
    const File list(roles());
    const AdminDoor door = door_of({{}, list.path, false});
    const std::string hash = roles().substr(roles().find("sha256:"));
    const std::vector<std::string> wrong{std::string(),
                                         bearer("nobody"),
                                         bearer(""),
                                         "Bearer",
                                         bearer(hash.substr(0, 71)),
                                         bearer(hash.substr(7, 64)),
                                         "Basic " + std::string(kOperator),
                                         std::string(kOperator)};
    for (const std::string& given : wrong)
      for (const bool local : {false, true}) {
        CAPTURE(given);
        CHECK(refused(door.admit(given, local, Role::viewer)) == Errc::unauthorized);
      }
  }

  TEST_CASE("loopback is a switch, makes an operator, and helps nobody with a wrong token") {
    const File token("the-admin-token\n");
    const AdminDoor closed = door_of({token.path, {}, false});
    CHECK(refused(closed.admit({}, true, Role::viewer)) == Errc::unauthorized);
    const AdminDoor open = door_of({token.path, {}, true});
    CHECK(open.admit({}, true, Role::operate)->name == "local");
    CHECK(refused(open.admit({}, true, Role::admin)) == Errc::forbidden);
    CHECK(refused(open.admit({}, false, Role::viewer)) == Errc::unauthorized);
    CHECK(refused(open.admit(bearer("wrong"), true, Role::viewer)) == Errc::unauthorized);
    CHECK(refused(AdminDoor().admit({}, true, Role::viewer)) == Errc::forbidden);
    CHECK(refused(AdminDoor().admit("Bearer ", true, Role::viewer)) == Errc::forbidden);
  }

  TEST_CASE("a broken file is told by row, file and line, and keeps what counted before") {
    const File list(roles());
    AdminDoor door = door_of({{}, list.path, false});
    const std::string good = roles_line(Role::admin, "x", "y");
    for (const std::string& bad :
         {std::string("root otto sha256:00\n"), std::string("viewer otto\n"),
          std::string("viewer otto plain\n"), good.substr(0, good.size() - 2) + "\n",
          good.substr(0, good.size() - 1) + " more\n", good.substr(0, good.size() - 2) + "g\n"}) {
      CAPTURE(bad);
      list.write(roles() + bad);
      const auto ready = door.prepare({{}, list.path, false});
      REQUIRE(!ready);
      CHECK(ready.error().detail.find("admin.roles_file: " + list.path + ":5") != std::string::npos);
      door.take();
      CHECK(door.admit(bearer(kOperator), false, Role::operate));
    }
    CHECK(!door.prepare({list.path + ".not", {}, false}));
    CHECK(!door.prepare({{}, list.path + ".not", false}));
    list.write(roles_line(Role::viewer, "vera", kViewer));
    REQUIRE(door.prepare({{}, list.path, false}));
    CHECK(door.admit(bearer(kOperator), false, Role::operate));  // not before take()
    door.take();
    CHECK(refused(door.admit(bearer(kOperator), false, Role::viewer)) == Errc::unauthorized);
  }
}

}  // namespace
}  // namespace tocsin::auth
