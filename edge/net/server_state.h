#pragma once
// The inside of Server: the library's context, its callbacks for WebSocket and event-stream connections, and
// the accept path. Thread: the loop.
#include <libwebsockets.h>
#include <uv.h>

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "edge/codec/deflate.h"
#include "edge/limits/limits.h"
#include "edge/net/admission.h"
#include "edge/net/connection.h"
#include "edge/net/http_front.h"
#include "edge/net/listener.h"
#include "edge/net/proxy_intros.h"
#include "edge/net/server.h"
#include "edge/net/tls.h"
#include "edge/net/way_in.h"

namespace tocsin::edge {

struct Server::State {
  static constexpr const char* kJsonProtocol = "tocsin.v1.json";
  static constexpr const char* kProtoProtocol = "tocsin.v1.proto";

  State(const Config& config_in, const Clock& clock_in, loop::Loop& loop_in, Metrics& metrics_in);

  /// The one callback of all protocols: routes to the members below. Null connection: not one of ours yet.
  static int on_event(lws* wsi, lws_callback_reasons reason, void* user, void* in, std::size_t size);
  /// permessage-deflate as the library sees it: agreed on, and nothing done to payloads. Both directions are
  /// ours.
  static int on_extension(lws_context* context, const lws_extension* extension, lws* wsi,
                          lws_extension_callback_reasons reason, void* user, void* in, std::size_t size);

  Status open_context();
  Status open_redirect();
  /// A virtual host like the first, without TLS.
  [[nodiscard]] lws_context_creation_info plain_vhost_info();
  void accept(int fd, const sockaddr_storage& from, lws_vhost* to);
  void adopt(int fd, const Caller& peer, lws_vhost* to);
  /// Whose request it is; noted in the connection and the request.
  void identify(Connection& c, RequestHead& head) const;
  [[nodiscard]] std::uint8_t refusal();
  /// Who comes through a proxy is known by the request only. True: there is a limit against it.
  bool over_limit(Connection& c, bool stays);
  int refuse_new(Connection& c);
  int redirect(Connection& c, const RequestHead& head);
  [[nodiscard]] bool answered_in_plain(std::string_view path) const;
  void expire(DueList& list);
  void give_back();

  int on_connection_event(Connection& c, lws_callback_reasons reason, std::string_view bytes);
  int on_http(Connection& c);
  int on_http_writable(Connection& c);
  int on_upgrade(Connection& c, std::string_view to);
  int on_established(Connection& c);
  bool takes_offer(Connection& c) const;
  static void finish_answer(const Connection& c, lws_process_html_args& args);
  [[nodiscard]] Status may_open(const Connection& c, const RequestHead& head);
  int on_events_request(Connection& c, const RequestHead& head);
  int on_receive(Connection& c, std::string_view bytes);
  void on_whole(Connection& c, std::string_view bytes);
  void on_message(Connection& c, std::string_view message);
  int on_ws_writable(Connection& c);
  void on_gone(Connection& c);
  void read_on();
  bool send_close(Connection& c);
  void hold_input(Connection& c) const;
  void forget(Connection* c);

  const Config& config;
  const Clock& clock;
  loop::Loop& loop;
  Metrics& metrics;
  Gateway* gateway = nullptr;
  Tls tls;
  Limits* limits = nullptr;  ///< null: there are none
  HttpFront http;
  Admission admission;
  WayIn way_in;
  ProxyIntros intros;
  Listener listener;
  ws::Inflater inflater;               ///< for every client's messages: none refers to an earlier one
  DueList handshakes;                  ///< connections without a complete request
  DueList closes;                      ///< connections we close
  std::vector<Connection*> receiving;  ///< sent something: read again at the end of the turn
  std::vector<Connection*> reading;    ///< those just being read again; null when gone
  std::size_t count = 0;
  std::size_t peak = 0;                                    ///< of count, since memory was given back
  Instant trim_at{};                                       ///< when it may be
  std::function<bool()> elsewhere = [] { return false; };  ///< new clients are to go to another edge
  std::size_t room =
      0;  ///< connections that are served at once: limits.clients_max, or fewer by the limit of descriptors
  lws_context* context = nullptr;
  lws_vhost* vhost = nullptr;
  lws_vhost* plain_vhost = nullptr;          ///< of tls.redirect_port
  std::unique_ptr<Listener> plain_listener;  ///< null: there is none
};

}  // namespace tocsin::edge
