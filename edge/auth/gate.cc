#include "edge/auth/gate.h"

#include <algorithm>
#include <array>

#include "common/log/log.h"

namespace tocsin::edge {
namespace {

constexpr Millis kLookEvery{1'000};

auth::KeySources sources_of(const Config& config) {
  return {config.auth_key_file, config.auth_key_env, config.auth_jwks_file};
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
    : config_(config),
      clock_(clock),
      metrics_(metrics),
      open_(sources_of(config).empty()),
      keys_(sources_of(config)) {}

Status Gate::load() {
  if (open_) {
    // Who set these believes that tokens are checked.
    if (!config_.auth_issuer.empty() || !config_.auth_audience.empty())
      return Error{Errc::invalid_argument,
                   "auth.issuer and auth.audience need keys: auth.key_file, auth.key_env or auth.jwks_file"};
    return Done{};
  }
  auto algorithms = algorithms_of(config_.auth_algorithms);
  if (!algorithms) return algorithms.error();
  rules_.algorithms = *std::move(algorithms);
  rules_.issuer = config_.auth_issuer;
  rules_.audience = config_.auth_audience;
  rules_.leeway = std::chrono::duration_cast<std::chrono::seconds>(config_.auth_leeway);
  rules_.subject_claim = config_.auth_subject_claim;
  rules_.permissions_claim = config_.auth_permissions_claim;
  look_at_ = clock_.steady() + kLookEvery;
  return keys_.load();
}

void Gate::tick() {
  if (open_ || clock_.steady() < look_at_) return;
  look_at_ = clock_.steady() + kLookEvery;
  if (!keys_.changed()) return;
  if (auto loaded = keys_.load(); !loaded)
    log::error("the keys of tokens could not be read again; those known stay in use",
               {{"why", loaded.error().detail}});
  else
    log::info("the keys of tokens were read again", {{"keys", keys_.keys().size()}});
}

Result<auth::Principal> Gate::admit(std::string_view token) const {
  auto principal = auth::verify(token, keys_.keys(), rules_, clock_.wall_ms());
  if (!principal) metrics_.tokens_refused.add();
  return principal;
}

Error Gate::forbidden(auth::Action action, std::string_view channel) const {
  constexpr std::array<std::string_view, 3> kVerbs{"subscribe to", "publish to", "administer"};
  metrics_.forbidden.add();
  return {Errc::forbidden, "the token does not permit to " +
                               std::string(kVerbs[static_cast<std::size_t>(action)]) + " " +
                               std::string(channel)};
}

Status Gate::permit(std::string_view token, auth::Action action, std::string_view channel) const {
  if (open_) return Done{};
  const auto principal = admit(token);
  if (!principal) return principal.error();
  if (!principal->permissions.allow(action, channel)) return forbidden(action, channel);
  return Done{};
}

}  // namespace tocsin::edge
