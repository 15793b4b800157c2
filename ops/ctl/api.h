#pragma once
// Api: asks the cluster's HTTP API, one request after the other, from any edge that answers. For commands
// that do a few requests and end. Blocking: each call turns the loop until the answer is there.
#include <chrono>
#include <string>
#include <vector>

#include "common/http/client.h"
#include "common/loop/loop.h"
#include "common/result.h"
#include "ops/cluster/cluster_file.h"
#include "ops/cluster/problem.h"

namespace tocsin::ops {

class Api {
 public:
  static constexpr std::chrono::milliseconds kTimeout{10'000};

  /// `token` is shown to edges by ask() and get(); empty: none.
  Api(ClusterFile cluster, const http::Trust& trust, std::string token = {})
      : cluster_(std::move(cluster)), token_(std::move(token)), http_(loop_, trust), client_(http_) {}

  [[nodiscard]] const ClusterFile& cluster() const noexcept { return cluster_; }

  /// One URL. Fails as http::Client does.
  [[nodiscard]] Result<http::Response> fetch(const std::string& method, const std::string& url,
                                             http::Headers headers, std::string body,
                                             std::chrono::milliseconds timeout = kTimeout);
  /// `path` at an edge: the next one when one does not answer or answers 503 (only safe for requests that may
  /// be repeated). Fails with unavailable when none does; the detail says what each said.
  [[nodiscard]] Result<http::Response> ask(const std::string& method, const std::string& path,
                                           http::Headers headers = {}, std::string body = {});
  /// The same with GET; a status of 400 and above is an Error with the problem's detail.
  [[nodiscard]] Result<std::string> get(const std::string& path);

 private:
  ClusterFile cluster_;
  const std::string token_;
  loop::Loop loop_;
  http::Context http_;
  http::Client client_;
  std::size_t next_edge_ = 0;
};

/// What a command that talks to this cluster's edges believes: nothing beyond plain text when they speak
/// that, else who `ca` says.
[[nodiscard]] http::Trust trust_for(const ClusterFile& cluster, const std::string& ca);

/// The token that a command shows to edges: of --token-file, else of $TOCSIN_TOKEN, else none. Fails with
/// invalid_argument for a file that cannot be read.
[[nodiscard]] Result<std::string> token_for(const std::string& token_file);
/// The header that shows it; none for no token.
[[nodiscard]] http::Headers bearer(const std::string& token);

/// Says "tocsinctl: ..." on stderr and returns the exit code that fits.
int complain(const Error& error);
int complain(const std::string& sentence, int code);

}  // namespace tocsin::ops
