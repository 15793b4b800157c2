#include "ops/ctl/cert.h"

#include <unistd.h>

#include <cstdio>

#include "common/clock.h"
#include "common/config/loader.h"
#include "common/crypto/certificate.h"
#include "common/file.h"
#include "common/rfc3339.h"
#include "ops/cluster/file.h"
#include "ops/cluster/members.h"
#include "ops/ctl/api.h"
#include "ops/ctl/exit_codes.h"

namespace tocsin::ops {
namespace {

constexpr std::size_t kMaxFile = std::size_t{1} << 20U;
constexpr std::int64_t kDay = 86'400;

/// What the settings file says where the command line says nothing.
Status fill_in(CertCheckOptions& options) {
  if (options.config.empty()) return Done{};
  const auto text = read_file(options.config, kMaxFile);
  if (!text) return text.error();
  const auto settings = config::parse_yaml(*text, options.config);
  if (!settings) return settings.error();
  for (const auto& setting : *settings) {
    if (setting.key == "tls.cert_file" && options.cert.empty()) options.cert = setting.text;
    if (setting.key == "tls.key_file" && options.key.empty()) options.key = setting.text;
  }
  if (options.cert.empty())
    return Error{Errc::invalid_argument, options.config + " has no tls.cert_file: nothing to check"};
  return Done{};
}

std::string json_of(const crypto::CertificateAnswer& answer, std::int64_t left) {
  std::string chain = "[";
  for (const auto& one : answer.chain) {
    if (chain.back() != '[') chain += ',';
    Members members(chain);
    members.text("subject", one.subject).text("issuer", one.issuer).text("key", one.key);
    members.text("not_before", rfc3339(one.not_before_s * 1'000))
        .text("not_after", rfc3339(one.not_after_s * 1'000));
    members.texts("names", one.names).end();
  }
  std::string out;
  Members(out)
      .flag("ok", answer.problems.empty())
      .number("days_left", left)
      .texts("problems", answer.problems)
      .raw("chain", chain + "]")
      .end();
  return out;
}

void print(const crypto::CertificateAnswer& answer, std::int64_t left) {
  for (const auto& one : answer.chain) {
    std::string names;
    for (const auto& name : one.names) names += (names.empty() ? "  for " : ", ") + name;
    std::printf("%s  (%s, until %s)%s\n", one.subject.c_str(), one.key.c_str(),
                rfc3339(one.not_after_s * 1'000).substr(0, 10).c_str(), names.c_str());
  }
  for (const auto& problem : answer.problems) std::printf("WRONG: %s\n", problem.c_str());
  if (answer.problems.empty()) std::printf("good for %lld more days\n", static_cast<long long>(left));
}

}  // namespace

int run_cert_check(const CertCheckOptions& given) {
  CertCheckOptions options = given;
  if (auto filled = fill_in(options); !filled) return complain(filled.error());
  if (options.cert.empty())
    return complain("give a certificate file, or --config with tls.cert_file", kExitUsage);
  const auto chain = read_file(options.cert, kMaxFile);
  if (!chain) return complain(chain.error().detail, kExitBadCertificate);
  std::string key;
  if (!options.key.empty()) {
    auto text = read_file(options.key, kMaxFile);
    if (!text) return complain(text.error().detail, kExitBadCertificate);
    key = text->empty() ? " " : *std::move(text);
  }
  const std::int64_t now = SystemClock().wall_ms() / 1'000;
  const auto answer = crypto::examine({*chain, key, options.ca, options.hosts, now});
  if (!answer) return complain(options.cert + ": " + answer.error().detail, kExitBadCertificate);
  const std::int64_t left = (answer->not_after_s - now) / kDay - (answer->not_after_s < now ? 1 : 0);
  if (options.json)
    std::puts(json_of(*answer, left).c_str());
  else
    print(*answer, left);
  if (!answer->problems.empty()) return kExitBadCertificate;
  if (left >= options.days) return kExitOk;
  if (!options.json) std::printf("ENDS SOON: fewer than %lld days\n", static_cast<long long>(options.days));
  return kExitEndsSoon;
}

int run_cert_dev(const CertDevOptions& options) {
  const std::string cert = options.out + ".pem";
  const std::string key = options.out + ".key";
  for (const auto& file : {cert, key})
    if (!options.force && ::access(file.c_str(), F_OK) == 0)
      return complain(file + " is there already; --force replaces it, --out takes another name", kExitUsage);
  const auto made = crypto::self_signed(options.names, options.days);
  if (!made) return complain(made.error());
  if (auto saved = write_atomically(key, made->key_pem, 0600); !saved) return complain(saved.error());
  if (auto saved = write_atomically(cert, made->certificate_pem); !saved) return complain(saved.error());
  if (options.json) {
    std::string out;
    Members(out).text("cert_file", cert).text("key_file", key).texts("names", options.names).end();
    std::puts(out.c_str());
    return kExitOk;
  }
  std::printf(
      "%s and %s are made, for development: no client believes them unless told to.\n"
      "  an edge:     --tls-cert-file %s --tls-key-file %s\n  tocsinctl:   --ca %s\n",
      cert.c_str(), key.c_str(), cert.c_str(), key.c_str(), cert.c_str());
  return kExitOk;
}

void add_cert(CLI::App& app, CertLine& line) {
  auto* cert = app.add_subcommand("cert", "Certificates of edges");
  cert->require_subcommand(1);
  CertCheckOptions& c = line.check;
  auto* check = cert->add_subcommand(
      "check", "Would clients believe it, and for how long? For cron: 0 good, 11 wrong, 12 ends soon");
  check->add_option("cert", c.cert, "PEM file, the server's own certificate first");
  check->add_option("--key", c.key, "Its private key: do they belong together?");
  check->add_option("--ca", c.ca, "PEM file with the authorities; the system's when not given")
      ->check(CLI::ExistingFile);
  check->add_option("--host", c.hosts, "Name that clients come under, repeatable");
  check->add_option("--days", c.days, "Ends soon means in fewer days than these")->capture_default_str();
  check->add_option("--config", c.config, "Settings file whose tls.cert_file and tls.key_file are meant")
      ->check(CLI::ExistingFile);
  check->add_flag("--json", c.json, "JSON for machines");
  check->callback([&line] {
    if (line.check.ca.empty()) line.check.ca = line.common->ca;
    line.check.json = line.check.json || line.common->json;
    *line.exit_code = run_cert_check(line.check);
  });
  CertDevOptions& d = line.dev;
  auto* dev = cert->add_subcommand("dev", "Make a self-signed certificate for development");
  dev->add_option("names", d.names, "Host names and addresses it is for")->capture_default_str();
  dev->add_option("--out", d.out, "Written to OUT.pem and OUT.key")->capture_default_str();
  dev->add_option("--days", d.days, "How long it is good")->check(CLI::Range(1, 825))->capture_default_str();
  dev->add_flag("--force", d.force, "Replace what is there");
  dev->add_flag("--json", d.json, "JSON for machines");
  dev->callback([&line] {
    line.dev.json = line.dev.json || line.common->json;
    *line.exit_code = run_cert_dev(line.dev);
  });
}

}  // namespace tocsin::ops
