#include "edge/auth/gate.h"

#include <algorithm>
#include <array>

#include "common/log/log.h"

namespace tocsin::edge {
namespace {

constexpr Millis kLookEvery{1'000};
constexpr std::size_t kMaxSeen = 4'096;

auth::KeySources sources_of(const Config& config) {
  return {config.auth_key_file, config.auth_key_env, config.auth_jwks_file};
}

bool is_open(const Config& config) { return sources_of(config).empty() && config.auth_jwks_url.empty(); }

/// Who set these without keys believes that tokens are checked.
Status rules_need_keys(const Config& config) {
  if (config.auth_issuer.empty() && config.auth_audience.empty() && config.auth_row_policy.empty())
    return Done{};
  return Error{Errc::invalid_argument,
               "auth.issuer, auth.audience and auth.row_policy need keys: auth.key_file, auth.key_env, "
               "auth.jwks_file or auth.jwks_url"};
}

Result<std::vector<crypto::Algorithm>> algorithms_of(std::string_view list) {
  std::vector<crypto::Algorithm> out;
  while (!list.empty()) {
    const auto end = std::min(list.find_first_of(", "), list.size());
    if (const auto name = list.substr(0, end); !name.empty()) {
      const auto algorithm = crypto::algorithm_named(name);
      if (!algorithm)
        return Error{Errc::invalid_argument,
                     "auth.algorithms: there are HS256, RS256, ES256 and EdDSA, not " + std::string(name)};
      out.push_back(*algorithm);
    }
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  if (out.empty()) return Error{Errc::invalid_argument, "auth.algorithms: at least one"};
  return out;
}

}  // namespace

Gate::Gate(const Config& config, const Clock& clock, Metrics& metrics)
    : config_(config), clock_(clock), metrics_(metrics), open_(is_open(config)), files_(sources_of(config)) {
  if (!config.auth_jwks_url.empty())
    remote_.emplace(
        RemoteKeys::Times{config.auth_jwks_refresh, config.auth_jwks_floor, config.auth_jwks_keep}, clock);
}

Result<Gate::Prepared> Gate::prepare(const Config& config) {
  auto algorithms = algorithms_of(config.auth_algorithms);
  if (!algorithms) return algorithms.error();
  auto policy = auth::parse_row_policy(config.auth_row_policy);
  if (!policy) return Error{Errc::invalid_argument, "auth.row_policy: " + policy.error().detail};
  Prepared out{
      {},
      auth::Keyring(sources_of(config)),
      config.auth_row_policy + "\n" + config.auth_permissions_claim + "\n" + config.auth_tenant_claim};
  out.rules.algorithms = *std::move(algorithms);
  out.rules.issuer = config.auth_issuer;
  out.rules.audience = config.auth_audience;
  out.rules.leeway = std::chrono::duration_cast<std::chrono::seconds>(config.auth_leeway);
  out.rules.subject_claim = config.auth_subject_claim;
  out.rules.tenant_claim = config.auth_tenant_claim;
  out.rules.permissions_claim = config.auth_permissions_claim;
  out.rules.row_policy = *std::move(policy);
  if (!sources_of(config).empty())
    if (auto loaded = out.files.load(); !loaded) return loaded.error();
  return out;
}

Status Gate::check(const Config& next) {
  prepared_.reset();
  if (is_open(next) != open_)
    return Error{Errc::invalid_argument,
                 "auth.*: whether tokens are asked for at all changes with a restart only"};
  if (open_) return rules_need_keys(next);
  auto prepared = prepare(next);
  if (!prepared) return prepared.error();
  prepared_ = *std::move(prepared);
  return Done{};
}

bool Gate::apply() {
  if (!prepared_) return false;
  const bool others = prepared_->rights != rights_;
  rights_ = std::move(prepared_->rights);
  rules_ = std::move(prepared_->rules);
  files_ = std::move(prepared_->files);
  prepared_.reset();
  collect();
  return others;
}

Result<Gate::Holder> Gate::again(const auth::Principal& principal) const {
  auto read = auth::read_again(principal, rules_, clock_.wall_ms());
  if (!read) return read.error();
  return std::make_shared<const auth::Principal>(*std::move(read));
}

Status Gate::load() {
  if (auto ready = check(config_); !ready) return ready;
  look_at_ = clock_.steady() + kLookEvery;
  apply();
  return Done{};
}

void Gate::collect() {
  keys_ = files_.keys();
  if (remote_)
    for (auto& key : remote_->keys()) keys_.push_back(std::move(key));
  seen_.clear();
}

void Gate::tick() {
  if (open_) return;
  if (remote_) look_at_url();
  if (clock_.steady() < look_at_) return;
  look_at_ = clock_.steady() + kLookEvery;
  revoked_.forget_ended(clock_.wall_ms());
  metrics_.revoked.set(static_cast<std::int64_t>(revoked_.size()));
  look_at_files();
}

void Gate::look_at_files() {
  if (sources_of(config_).empty() || !files_.changed()) return;
  if (auto loaded = files_.load(); !loaded)
    return log::error("the keys of tokens could not be read again; those known stay in use",
                      {{"why", loaded.error().detail}});
  collect();
  log::info("the keys of tokens were read again", {{"keys", keys_.size()}});
}

void Gate::look_at_url() {
  if (remote_->tick()) collect();
  if (!fetch_ || !remote_->begin()) return;
  fetch_([this](const Result<std::string>& text) {
    const bool changed = remote_->fetched(text);
    metrics_.jwks_fetches[text ? 0 : 1].add();
    if (!changed) return;
    collect();
    log::info("the keys of tokens were fetched", {{"keys", keys_.size()}});
  });
}

Result<Gate::Holder> Gate::verified(std::string_view token) const {
  const auto known = seen_.find(std::string(token));
  if (known != seen_.end()) return known->second;
  if (keys_.empty()) return Error{Errc::unavailable, "the keys of tokens are not known yet"};
  auto principal = auth::verify(token, keys_, rules_, clock_.wall_ms());
  if (!principal) {
    if (remote_ && !auth::key_is_known(token, keys_, rules_)) remote_->miss();
    return principal.error();
  }
  auto holder = std::make_shared<const auth::Principal>(*std::move(principal));
  if (seen_.size() >= kMaxSeen) seen_.clear();
  seen_.emplace(token, holder);
  return holder;
}

Result<Gate::Holder> Gate::admit(std::string_view token) const {
  auto holder = verified(token);
  if (holder)
    if (auto good = still_good(**holder); !good) {
      seen_.erase(std::string(token));
      holder = good.error();
    }
  if (!holder) metrics_.tokens_refused.add();
  return holder;
}

Status Gate::still_good(const auth::Principal& principal) const {
  if (principal.expires_ms <= clock_.wall_ms()) return Error{Errc::unauthorized, "the token has expired"};
  if (revoked_.covers(principal)) return Error{Errc::unauthorized, "the token was revoked"};
  return Done{};
}

bool Gate::revoked(const std::vector<link::Revocation>& revocations) {
  const bool news = revoked_.add(revocations);
  metrics_.revoked.set(static_cast<std::int64_t>(revoked_.size()));
  return news;
}

Error Gate::forbidden(auth::Action action, std::string_view channel) const {
  constexpr std::array<std::string_view, 3> kVerbs{"subscribe to", "publish to", "administer"};
  metrics_.forbidden.add();
  return {Errc::forbidden, "the token does not permit to " +
                               std::string(kVerbs[static_cast<std::size_t>(action)]) + " " +
                               std::string(channel)};
}

Result<Gate::Holder> Gate::permit(std::string_view token, auth::Action action,
                                  std::string_view channel) const {
  if (open_) return Holder{};
  auto holder = admit(token);
  if (holder && !(*holder)->permissions.allow(action, channel)) return forbidden(action, channel);
  return holder;
}

}  // namespace tocsin::edge
