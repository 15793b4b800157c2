#include "ops/supervisor/k8s/api.h"

#include "ops/cluster/file.h"

namespace tocsin::ops::k8s {
namespace {

constexpr std::size_t kMaxToken = 64U << 10U;

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  return text;
}

}  // namespace

Result<http::Headers> Api::headers() const {
  auto token = read_file(where_.token_file, kMaxToken);
  if (!token)
    return Error{Errc::io, "the service account's token cannot be read (" + token.error().detail +
                               "); is automountServiceAccountToken off?"};
  return http::Headers{{"authorization", "Bearer " + trimmed(*std::move(token))},
                       {"accept", "application/json"}};
}

void Api::send(const Call& call, std::function<void(const Answer&)> done) {
  auto with = headers();
  if (!with) return done(with.error());
  if (!call.body.empty()) with->emplace_back("content-type", "application/merge-patch+json");
  client_.request(call.method, where_.url + call.path, *std::move(with), call.body, kPatience,
                  [done = std::move(done)](const Answer& answer) { done(answer); });
}

void Api::watch(const std::string& path, Millis silence, http::Client::Sink sink,
                std::function<void(const Answer&)> done) {
  auto with = headers();
  if (!with) return done(with.error());
  client_.stream(where_.url + path, *std::move(with), silence, std::move(sink),
                 [done = std::move(done)](const Answer& answer) { done(answer); });
}

Result<std::string> find_namespace(const std::string& configured, const std::string& token_file) {
  if (!configured.empty()) return configured;
  const std::string path = token_file.substr(0, token_file.rfind('/') + 1) + "namespace";
  auto text = read_file(path, 4096);
  if (text && !trimmed(*text).empty()) return trimmed(*std::move(text));
  return Error{Errc::invalid_argument,
               "which namespace? " + path +
                   " does not say; set kubernetes.namespace "
                   "(TOCSIN_KUBERNETES_NAMESPACE, from the field metadata.namespace)"};
}

}  // namespace tocsin::ops::k8s
