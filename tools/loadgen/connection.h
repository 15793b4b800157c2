#pragma once
// Connection: one client on a non-blocking socket, written for load: no allocation per frame, messages handed
// out as views into the read buffer. WebSocket (RFC 6455), over TLS and with permessage-deflate on request;
// or bare bytes for a peer that speaks no WebSocket. It shares no code with the edge, so that a mistake there
// cannot hide here.
//
//   connecting -> upgrading -> open -> closed          (bare: connecting -> open -> closed)
//
// Thread: one; the owner runs the epoll loop and calls on_readable / on_writable.
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "tools/loadgen/inflater.h"
#include "tools/loadgen/transport.h"

namespace tocsin::loadgen {

struct Target {
  std::string host;  ///< IPv4 address
  std::uint16_t port = 0;
};

/// What the upgrade asks for.
struct Upgrade {
  std::string path;         ///< empty: no WebSocket, bare bytes both ways
  std::string subprotocol;  ///< empty: none offered
};

/// How all connections of a run are made.
struct Wire {
  const TlsClient* tls = nullptr;
  Inflater* deflate = nullptr;  ///< offer permessage-deflate without context takeover; null: do not
  int receive_buffer = 0;       ///< SO_RCVBUF, 0: the system's
};

class Connection {
 public:
  enum class State : std::uint8_t { connecting, upgrading, open, closed };
  /// Called for every whole text or binary message; the view is valid during the call.
  using OnMessage = std::function<void(Connection&, std::string_view)>;

  Connection(std::uint32_t id, const Wire& wire, OnMessage on_message)
      : id_(id), wire_(wire), on_message_(std::move(on_message)) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Opens the socket from `source` (a loopback address: each gives 28,000 more ports) and starts connecting.
  /// False when the system refuses.
  bool start(const Target& target, const Upgrade& upgrade, const std::string& source);
  /// Return false when the connection has ended; close_code() tells how.
  bool on_readable();
  bool on_writable();

  void send(std::uint8_t opcode, std::string_view payload);  ///< queued until open
  void cork(bool on);  ///< while on, sends wait; they leave together when it ends
  void stop_reading(bool stop) noexcept { paused_ = stop; }
  void abort() { transport_.abort(); }  ///< the coming destruction resets the connection

  [[nodiscard]] int fd() const noexcept { return transport_.fd(); }
  [[nodiscard]] std::uint32_t id() const noexcept { return id_; }
  [[nodiscard]] State state() const noexcept { return state_; }
  [[nodiscard]] bool wants_write() const noexcept {
    return state_ == State::connecting || transport_.wants_write() || (!transport_.secure() && !out_.empty());
  }
  [[nodiscard]] bool paused() const noexcept { return paused_; }
  [[nodiscard]] int close_code() const noexcept { return close_code_; }  ///< 0: without a Close frame
  /// Seconds after which a server that answered 503 wants to be asked again; -1: it said nothing.
  [[nodiscard]] int retry_after_s() const noexcept { return retry_after_s_; }
  [[nodiscard]] std::uint64_t bytes_read() const noexcept { return bytes_read_; }
  [[nodiscard]] bool deflates() const noexcept { return deflates_; }  ///< the server agreed to compress
  [[nodiscard]] const Transport& transport() const noexcept { return transport_; }

 private:
  bool finish_connect();
  bool finish_upgrade();
  bool agree(std::string_view head);
  bool take_bytes(std::string_view bytes);
  bool parse(std::string_view bytes, std::size_t& used);
  bool on_frame(unsigned first, std::string_view payload);
  bool flush();
  void queue_frame(std::uint8_t opcode, std::string_view payload);
  bool end();

  const std::uint32_t id_;
  const Wire& wire_;
  OnMessage on_message_;
  Transport transport_;
  State state_ = State::closed;
  bool paused_ = false;
  bool bare_ = false;
  bool corked_ = false;
  bool deflates_ = false;
  int close_code_ = 0;
  int retry_after_s_ = -1;
  std::string request_;
  std::string early_;  // frames queued before the upgrade is done
  std::string in_;
  std::string out_;
  std::uint64_t bytes_read_ = 0;
};

}  // namespace tocsin::loadgen
