#include "edge/net/http_front.h"

#include <libwebsockets.h>

#include <utility>

#include "edge/limits/limits.h"

namespace tocsin::edge {
namespace {

/// Bodies that nobody wants are read and thrown away for this long, so that the answer is not lost in a
/// reset.
constexpr int kDiscardSeconds = 5;
/// An answer that the client does not take is held no longer than this.
constexpr int kUnreadSeconds = 30;

int write_raw(lws* wsi, const std::string& text) {
  // LWS_WRITE_HTTP only reads the buffer; its signature is older than that.
  return lws_write(wsi, reinterpret_cast<unsigned char*>(const_cast<char*>(text.data())), text.size(),
                   LWS_WRITE_HTTP);
}

}  // namespace

bool HttpFront::is_secure(const Connection& connection) { return lws_is_ssl(connection.wsi) != 0; }

int HttpFront::on_request(Connection& connection, Result<RequestHead> head) {
  if (!head) return refuse(connection, problem(head.error()));
  auto exchange = std::make_shared<Exchange>();
  exchange->wsi = connection.wsi;
  exchange->secure = is_secure(connection) || head->request.secure;
  exchange->keep_alive = head->keep_alive;
  exchange->allow_origin = head->allow_origin;
  exchange->request = std::move(head->request);
  connection.exchange = exchange;
  if (exchange->request.method == "HEAD") {
    exchange->request.method = "GET";
    exchange->body = Body::omit;
  }
  lws_set_timeout(connection.wsi, NO_PENDING_TIMEOUT, 0);
  if (exchange->request.method == "OPTIONS" && head->content_length == 0) {
    exchange->output =
        preflight_text(exchange->keep_alive ? KeepAlive::yes : KeepAlive::no, exchange->allow_origin);
    exchange->answered = exchange->body_done = true;
    return send(connection);
  }
  if (head->framing == Framing::unsupported) {
    HttpReply reply = problem(
        Error{Errc::invalid_argument, "send the body with a content-length; chunked bodies are not taken"});
    reply.status = 411;
    return refuse(connection, reply);
  }
  if (head->content_length > 0) return start_body(connection, *head);
  return hand_over(connection);
}

int HttpFront::start_body(Connection& connection, const RequestHead& head) {
  Exchange& exchange = *connection.exchange;
  if (api_->takes_upload(exchange.request))
    exchange.upload = api_->upload(exchange.request, reply_to(connection.exchange));
  else if (head.content_length > static_cast<std::uint64_t>(config_.body_max_bytes))
    return refuse(connection,
                  problem(Error{Errc::too_large, "the body is larger than limits.body_max_bytes"}));
  if (exchange.answered) return send(connection);
  if (head.expects_continue && write_raw(connection.wsi, "HTTP/1.1 100 Continue\r\n\r\n") < 0) return -1;
  lws_set_timeout(connection.wsi, PENDING_TIMEOUT_HTTP_CONTENT, kDiscardSeconds);
  return 0;
}

int HttpFront::on_body(Connection& connection, std::string_view bytes) {
  const auto exchange = connection.exchange;
  if (!exchange || exchange->answered || exchange->body_done) return 0;
  if (!exchange->upload) {
    exchange->request.body.append(bytes);
    return 0;
  }
  if (!exchange->upload->feed(bytes)) return exchange->answered ? send(connection) : 0;
  if (exchange->upload->full() && !exchange->paused) {
    exchange->paused = true;
    lws_rx_flow_control(connection.wsi, 0);
    lws_set_timeout(connection.wsi, NO_PENDING_TIMEOUT, 0);
    paused_.push_back(exchange);
  }
  return 0;
}

void HttpFront::resume() {
  for (auto it = paused_.begin(); it != paused_.end();) {
    const auto exchange = it->lock();
    if (exchange && exchange->wsi != nullptr && !exchange->answered && exchange->upload->full()) {
      ++it;
      continue;
    }
    it = paused_.erase(it);
    if (!exchange || exchange->wsi == nullptr || exchange->body_done) continue;
    exchange->paused = false;
    lws_rx_flow_control(exchange->wsi, 1);
  }
}

int HttpFront::on_body_end(Connection& connection) {
  if (!connection.exchange || connection.exchange->body_done) return 0;
  return hand_over(connection);
}

/// The request is complete.
int HttpFront::hand_over(Connection& connection) {
  const auto exchange = connection.exchange;
  exchange->body_done = true;
  lws_set_timeout(connection.wsi, NO_PENDING_TIMEOUT, 0);
  if (exchange->upload)
    exchange->upload->finish();
  else
    api_->handle(exchange->request, reply_to(exchange));
  if (exchange->answered) return send(connection);
  // What the client sends meanwhile is its next request. A hang-up is noticed when the answer is written.
  lws_rx_flow_control(connection.wsi, 0);
  return 0;
}

HttpApi::Reply HttpFront::reply_to(const std::shared_ptr<Exchange>& exchange) const {
  return [this, limits = limits_, weak = std::weak_ptr(exchange)](const HttpReply& reply) {
    const auto alive = weak.lock();
    if (!alive || alive->answered) return;
    if (limits != nullptr && reply.status == 401) limits->offend(alive->request.from, "no good token");
    const bool keep = alive->keep_alive && (alive->body_done || !alive->upload);
    alive->output = response_text(reply, keep ? KeepAlive::yes : KeepAlive::no, alive->body,
                                  hsts(alive->secure), alive->allow_origin);
    alive->answered = true;
    alive->last = !keep;
    if (alive->wsi == nullptr) return;
    lws_rx_flow_control(alive->wsi,
                        1);  // first: the library does not look at writability while reading is held
    lws_callback_on_writable(alive->wsi);
  };
}

int HttpFront::on_writable(Connection& connection) {
  return connection.exchange && connection.exchange->answered ? send(connection) : 0;
}

int HttpFront::refuse(Connection& connection, const HttpReply& reply) {
  if (!connection.exchange) {
    connection.exchange = std::make_shared<Exchange>();
    connection.exchange->wsi = connection.wsi;
    if (any_origin_) connection.exchange->allow_origin = "*";
  }
  connection.exchange->output = response_text(reply, KeepAlive::no, connection.exchange->body,
                                              hsts(is_secure(connection)), connection.exchange->allow_origin);
  connection.exchange->answered = true;
  connection.exchange->last = true;
  return send(connection);
}

int HttpFront::send(Connection& connection) {
  const auto exchange = std::exchange(connection.exchange, nullptr);
  exchange->wsi = nullptr;
  connection.spent = exchange->last;
  lws* wsi = connection.wsi;
  metrics_.net_requests.add();
  if (write_raw(wsi, exchange->output) < 0) return -1;
  // Closes when the client asked for it; throws away what is left of the body first.
  if (lws_http_transaction_completed(wsi) != 0) return -1;
  lws_rx_flow_control(wsi, 1);
  if (!exchange->body_done) lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, kDiscardSeconds);
  if (lws_partial_buffered(wsi) != 0) lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, kUnreadSeconds);
  return 0;
}

void HttpFront::on_closed(Connection& connection) {
  if (!connection.exchange) return;
  connection.exchange->wsi = nullptr;
  connection.exchange->upload.reset();
  connection.exchange.reset();
}

}  // namespace tocsin::edge
