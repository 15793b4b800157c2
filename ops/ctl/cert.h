#pragma once
// `tocsinctl cert check` and `cert dev`: certificates of edges, looked at before clients do, and made for
// development.
#include <CLI/CLI.hpp>

#include "ops/ctl/commands.h"

namespace tocsin::ops {

struct CertCheckOptions : Common {
  std::string cert;
  std::string key;
  std::string config;              ///< a settings file: its tls.cert_file and tls.key_file
  std::vector<std::string> hosts;  ///< that clients ask for
  std::int64_t days = 14;
};
/// For cron: kExitOk, kExitEndsSoon, kExitBadCertificate.
[[nodiscard]] int run_cert_check(const CertCheckOptions& options);

struct CertDevOptions : Common {
  std::vector<std::string> names{"localhost", "127.0.0.1", "::1"};
  std::string out = "dev";  ///< out.pem and out.key
  std::int64_t days = 90;
  bool force = false;
};
[[nodiscard]] int run_cert_dev(const CertDevOptions& options);

struct CertLine {
  Common* common = nullptr;  ///< what was given before the command
  int* exit_code = nullptr;
  CertCheckOptions check;
  CertDevOptions dev;
};

/// `line` must outlive `app`'s parsing.
void add_cert(CLI::App& app, CertLine& line);

}  // namespace tocsin::ops
