#pragma once
// `tocsinctl token mint`: tokens for development and tests, signed with a key of the caller's.
#include <CLI/CLI.hpp>

#include "ops/ctl/commands.h"

namespace tocsin::ops {

struct MintOptions : Common {
  std::string secret_file;  ///< HS256
  std::string key_file;     ///< private key in PEM; its kind decides the algorithm
  std::string key_id;
  std::string subject;
  std::vector<std::string> channels;
  std::vector<std::string> publish;
  std::vector<std::string> admin;
  std::string issuer;
  std::string audience;
  std::string token_id;
  std::vector<std::string> claims;  ///< name=value
  std::string expires = "1h";
  std::string permissions_claim = "permissions";
};
[[nodiscard]] int run_token_mint(const MintOptions& options);

/// Makes a token for the admin API and appends its hash to the file; prints the token, this once.
struct AdminTokenOptions : Common {
  std::string file;
  std::string role = "viewer";
  std::string name;
};
[[nodiscard]] int run_token_admin(const AdminTokenOptions& options);

struct TokenLine {
  Common* common = nullptr;  ///< what was given before the command
  int* exit_code = nullptr;
  MintOptions mint;
  AdminTokenOptions admin;
};

/// `line` must outlive `app`'s parsing.
void add_token(CLI::App& app, TokenLine& line);

}  // namespace tocsin::ops
