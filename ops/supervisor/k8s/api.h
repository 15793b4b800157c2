#pragma once
// Api: requests to the API server over HTTPS, as this pod's service account. The token is read from its file
// for every request: the kubelet replaces it long before it expires.
//
// Invariant: the token goes only to a server whose certificate is from the given authority. Thread: the
// supervisor's loop.
#include <functional>
#include <string>

#include "common/http/client.h"
#include "ops/supervisor/k8s/call.h"

namespace tocsin::ops::k8s {

class Api {
 public:
  static constexpr Millis kPatience{8'000};

  struct Where {
    std::string url;
    std::string token_file;
  };
  /// `context` trusts the API server's authority.
  Api(http::Context& context, Where where) : where_(std::move(where)), client_(context) {}

  void send(const Call& call, std::function<void(const Answer&)> done);
  /// GET; see http::Client::stream.
  void watch(const std::string& path, Millis silence, http::Client::Sink sink,
             std::function<void(const Answer&)> done);

 private:
  /// Fails with io when there is no token.
  [[nodiscard]] Result<http::Headers> headers() const;

  Where where_;
  http::Client client_;
};

/// What the edges' namespace is: `configured`, or what the file beside the token says. Fails with a sentence
/// for people.
[[nodiscard]] Result<std::string> find_namespace(const std::string& configured,
                                                 const std::string& token_file);

}  // namespace tocsin::ops::k8s
