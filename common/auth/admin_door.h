#pragma once
// AdminDoor: who may administer a process over HTTP, and how much: viewers look, operators drain, cordon,
// reload and revoke, admins may also change what is run and which keys are good. A caller shows a bearer
// token: that of admin.token_file, whose holder is an admin, or one whose hash admin.roles_file lists; or he
// is on this host, where admin.loopback makes him an operator.
//
// Invariant: without a token and without the switch nobody is let in; a file that has become unreadable
// changes nothing. Tokens are compared in constant time; the roles file holds hashes only. Thread: the
// loop's.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace tocsin::auth {

enum class Role : std::uint8_t { viewer, operate, admin };   ///< each may do what those before it may
[[nodiscard]] std::string_view name_of(Role role) noexcept;  ///< "viewer", "operator", "admin"
[[nodiscard]] std::optional<Role> role_named(std::string_view name) noexcept;

struct AdminSettings {
  std::string token_file;
  std::string roles_file;
  bool loopback = false;
};

/// Somebody who was let in.
struct Administrator {
  Role role;
  std::string
      name;  ///< as the roles file says; "admin" for the token of admin.token_file, "local" without a token
};

class AdminDoor {
 public:
  AdminDoor() = default;

  /// Reads what `settings` name, and keeps it until take(). Fails with invalid_argument naming the row, file
  /// and line; nothing is kept then.
  [[nodiscard]] Status prepare(const AdminSettings& settings);
  /// What was prepared last counts from now on.
  void take();

  /// `authorization` is the header's value, empty when there is none; `local`: from this host and from no
  /// browser. Fails with unauthorized (no token or a wrong one) or forbidden (his role may not, or nobody
  /// may).
  [[nodiscard]] Result<Administrator> admit(std::string_view authorization, bool local, Role needed) const;

 private:
  struct Entry {
    Role role;
    std::string name;
    std::string hash;  ///< SHA-256 of the token, raw
  };
  struct State {
    std::vector<Entry> entries;
    bool loopback = false;
  };
  [[nodiscard]] static Status read_roles(const std::string& file, std::vector<Entry>& out);

  State now_;
  std::optional<State> next_;
};

/// A line of a roles file: `operator alice sha256:<64 hexadecimal digits>`.
[[nodiscard]] std::string roles_line(Role role, std::string_view name, std::string_view token);

}  // namespace tocsin::auth
