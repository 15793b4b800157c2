#include "ops/ctl/token.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "common/auth/admin_door.h"
#include "common/auth/token.h"
#include "common/clock.h"
#include "common/crypto/crypto.h"
#include "common/file.h"
#include "common/json/json.h"
#include "ops/cluster/file.h"
#include "ops/ctl/api.h"
#include "ops/ctl/exit_codes.h"
#include "ops/ctl/filter_args.h"

namespace tocsin::ops {
namespace {

Result<crypto::SigningKey> key_of(const MintOptions& options) {
  if (options.secret_file.empty() == options.key_file.empty())
    return Error{Errc::invalid_argument, "give either --secret-file or --key-file"};
  if (!options.secret_file.empty()) {
    auto secret = read_secret(options.secret_file);
    if (!secret) return secret.error();
    auto key = crypto::SigningKey::secret(*std::move(secret));
    return key ? std::move(key)
               : Error{Errc::invalid_argument, options.secret_file + ": " + key.error().detail};
  }
  std::ifstream in(options.key_file);
  const std::string pem(std::istreambuf_iterator<char>(in), {});
  auto key = crypto::SigningKey::private_pem(pem);
  return key ? std::move(key) : Error{Errc::invalid_argument, options.key_file + ": " + key.error().detail};
}

Result<auth::Claims> claims_of(const MintOptions& options) {
  const auto lasts = parse_duration(options.expires);
  if (!lasts) return lasts.error();
  if (options.subject.empty() || options.subject.size() > auth::kMaxSubject)
    return Error{Errc::invalid_argument,
                 "--subject has 1 to " + std::to_string(auth::kMaxSubject) + " bytes"};
  auth::Claims claims;
  claims.subject = options.subject;
  claims.issuer = options.issuer;
  claims.audience = options.audience;
  claims.issued_s = SystemClock().wall_ms() / 1'000;
  claims.expires_s = claims.issued_s + lasts->count() / 1'000;
  claims.permissions = {options.channels, options.publish, options.admin};
  claims.token_id = options.token_id;
  for (const auto& word : options.claims) {
    const auto equals = word.rfind('=');
    if (equals == std::string::npos || equals == 0 || !json::valid_utf8(word))
      return Error{Errc::invalid_argument, "--claim is name=value, not \"" + word + "\""};
    const std::string value = word.substr(equals + 1);
    const bool list = value.starts_with('[');
    if (list && !json::parse(value))
      return Error{Errc::invalid_argument, "--claim " + word + " is no JSON list"};
    claims.more.emplace_back(word.substr(0, equals), list ? value : json::quoted(value));
  }
  for (const auto* list : {&options.channels, &options.publish, &options.admin})
    for (const auto& pattern : *list)
      if (auto ok = auth::check_pattern(pattern); !ok)
        return Error{Errc::invalid_argument, "\"" + pattern + "\": " + ok.error().detail};
  for (const auto* text :
       {&options.subject, &options.issuer, &options.audience, &options.key_id, &options.token_id})
    if (!json::valid_utf8(*text)) return Error{Errc::invalid_argument, "a word is not UTF-8"};
  return claims;
}

}  // namespace

int run_token_mint(const MintOptions& options) {
  const auto key = key_of(options);
  if (!key) return complain(key.error().detail, kExitUsage);
  const auto claims = claims_of(options);
  if (!claims) return complain(claims.error().detail, kExitUsage);
  auth::Rules names;
  names.permissions_claim = options.permissions_claim;
  const auto token = auth::mint(*claims, {options.key_id, *key}, names);
  if (!token) return complain(token.error());
  if (token->size() > auth::kMaxToken)
    return complain("the token would be longer than an edge takes: fewer channel patterns", kExitUsage);
  if (!options.json) return std::puts(token->c_str()), kExitOk;
  std::printf("{\"token\":\"%s\",\"subject\":%s,\"algorithm\":\"%s\",\"expires_at\":%lld}\n", token->c_str(),
              json::quoted(claims->subject).c_str(), std::string(crypto::name_of(key->algorithm())).c_str(),
              static_cast<long long>(claims->expires_s));
  return kExitOk;
}

int run_token_admin(const AdminTokenOptions& options) {
  const bool plain = std::all_of(options.name.begin(), options.name.end(),
                                 [](char c) { return c > ' ' && c < 0x7f && c != '#'; });
  if (!plain || options.name.size() > 64)
    return complain("--name has 1 to 64 printable characters without spaces or #", kExitUsage);
  std::string text;
  if (::access(options.file.c_str(), F_OK) == 0) {
    auto before = read_file(options.file, std::size_t{1} << 20U);
    if (!before) return complain(before.error());
    text = *std::move(before);
    if (!text.empty() && !text.ends_with('\n')) text += '\n';
  }
  const std::string token = crypto::random_hex(48);
  text += auth::roles_line(*auth::role_named(options.role), options.name, token);
  if (auto written = write_atomically(options.file, text, 0600); !written) return complain(written.error());
  if (options.json)
    std::printf("{\"token\":\"%s\",\"role\":\"%s\",\"name\":%s}\n", token.c_str(), options.role.c_str(),
                json::quoted(options.name).c_str());
  else
    std::puts(token.c_str());
  return kExitOk;
}

void add_token(CLI::App& app, TokenLine& line) {
  auto* token = app.add_subcommand("token", "Tokens for development, and for the admin API");
  token->require_subcommand(1);
  MintOptions& o = line.mint;
  auto* mint = token->add_subcommand("mint", "Make a token, signed with your key");
  mint->add_option("--secret-file", o.secret_file,
                   "File whose first line is the secret of HS256, 32 bytes or more")
      ->check(CLI::ExistingFile);
  mint->add_option("--key-file", o.key_file,
                   "Private key in PEM: RSA (RS256), P-256 (ES256) or Ed25519 (EdDSA)")
      ->check(CLI::ExistingFile);
  mint->add_option("--kid", o.key_id, "Name of the key in the edges' JWK set");
  mint->add_option("--subject", o.subject, "Who it is for")->required();
  mint->add_option("--channels", o.channels, "What may be subscribed to: incidents,tenant-7/*")
      ->delimiter(',');
  mint->add_option("--publish", o.publish, "What may be published to")->delimiter(',');
  mint->add_option("--admin", o.admin, "What may be administered")->delimiter(',');
  mint->add_option("--token-id", o.token_id, "Its \"jti\", by which it can be revoked");
  mint->add_option("--claim", o.claims,
                   "A further claim, repeatable: tenant=acme, or a list: 'tenant=[\"a\",\"b\"]'");
  mint->add_option("--issuer", o.issuer, "The edges' auth.issuer");
  mint->add_option("--audience", o.audience, "The edges' auth.audience");
  mint->add_option("--expires", o.expires, "90s, 5m, 2h")->capture_default_str();
  mint->add_option("--permissions-claim", o.permissions_claim, "The edges' auth.permissions_claim")
      ->capture_default_str();
  auto* admin = token->add_subcommand(
      "admin", "Make a token for the admin API; its hash is added to the file that admin.roles_file names");
  AdminTokenOptions& a = line.admin;
  admin->add_option("--file", a.file, "The roles file")->required();
  admin->add_option("--name", a.name, "Who it is for; the audit log says it")->required();
  admin->add_option("--role", a.role, "viewer looks, operator drains and reloads, admin may do all")
      ->check(CLI::IsMember({"viewer", "operator", "admin"}))
      ->capture_default_str();
  admin->add_flag("--json", a.json, "JSON for machines");
  admin->callback([&line] {
    line.admin.json = line.admin.json || line.common->json;
    *line.exit_code = run_token_admin(line.admin);
  });
  mint->add_flag("--json", o.json, "JSON for machines");
  mint->callback([&line] {
    line.mint.json = line.mint.json || line.common->json;
    *line.exit_code = run_token_mint(line.mint);
  });
}

}  // namespace tocsin::ops
