// The port without TLS: health is answered there, everything else is sent to https.
#include <algorithm>
#include <string>

#include "edge/net/server_state.h"

namespace tocsin::edge {
namespace {

/// The host of a Host header without its port; empty when it is none that can be sent back.
std::string host_of(std::string_view header) {
  const auto bracket = header.rfind(']');
  const auto colon = header.find(':', bracket == std::string_view::npos ? 0 : bracket);
  const std::string_view host = header.substr(0, colon);
  const bool fits = !host.empty() && std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_' || c == '[' || c == ']' || c == ':';
  });
  return fits ? std::string(host) : std::string();
}

}  // namespace

Status Server::State::open_redirect() {
  if (config.tls_redirect_port == 0) return Done{};
  if (!Tls::wanted(config))
    return Error{Errc::invalid_argument,
                 "tls.redirect_port: there is no TLS to redirect to; set tls.cert_file"};
  lws_context_creation_info info = plain_vhost_info();
  plain_vhost = lws_create_vhost(context, &info);
  if (plain_vhost == nullptr) return Error{Errc::internal, "no virtual host for tls.redirect_port"};
  Listener::Settings settings{config.listen_address, static_cast<std::uint16_t>(config.tls_redirect_port),
                              config.listen_share ? PortSharing::shared : PortSharing::alone,
                              static_cast<int>(config.send_buffer_bytes),
                              static_cast<int>(config.accepts_per_turn)};
  plain_listener = std::make_unique<Listener>(
      loop, std::move(settings), metrics, [this] { return admission.open(); },
      [this](int fd, const sockaddr_storage& from) { accept(fd, from, plain_vhost); });
  return Done{};
}

bool Server::State::answered_in_plain(std::string_view path) const {
  const auto& more = config.tls_redirect_exempt;
  return http.is_health(path) || std::find(more.begin(), more.end(), path) != more.end();
}

int Server::State::redirect(Connection& c, const RequestHead& head) {
  metrics.net_redirected.add();
  std::string to = config.tls_redirect_to;
  if (to.empty()) {
    const std::string host = host_of(head.host);
    if (host.empty())
      return http.refuse(c, problem({Errc::invalid_argument,
                                     "this port is without TLS; come by https, and say which host"}));
    to = "https://" + host;
    // A proxy's https is at the usual port, whatever ours is.
    if (c.redirected && listener.port() != 443) to += ":" + std::to_string(listener.port());
  }
  while (to.ends_with('/')) to.pop_back();
  HttpReply reply;
  // 308: as it was asked, body and all. Older clients know 301 only, and ask with GET.
  reply.status = head.request.method == "GET" || head.request.method == "HEAD" ? 301 : 308;
  reply.content_type = "text/plain";
  reply.headers.emplace_back(
      "location", to + head.request.path + (head.request.query.empty() ? "" : "?" + head.request.query));
  reply.body = "come by https\n";
  return http.refuse(c, reply);
}

}  // namespace tocsin::edge
