#pragma once
// Connection: one WebSocket client on a non-blocking socket, written for load: no allocation per frame, frames handed
// out as views into the read buffer. It shares no code with the edge, so that a mistake there cannot hide here.
//
//   connecting -> upgrading -> open -> closed
//
// Thread: one; the owner runs the epoll loop and calls on_readable / on_writable.
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace tocsin::loadgen {

struct Target {
  std::string host;  ///< IPv4 address
  std::uint16_t port = 0;
};

/// What the upgrade asks for.
struct Upgrade {
  std::string path;
  std::string subprotocol;  ///< empty: none offered
};

class Connection {
 public:
  enum class State : std::uint8_t { connecting, upgrading, open, closed };
  /// Called for every whole text or binary message; the view is valid during the call.
  using OnMessage = std::function<void(Connection&, std::string_view)>;

  Connection(std::uint32_t id, OnMessage on_message) : id_(id), on_message_(std::move(on_message)) {}
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Opens the socket from `source` (a loopback address: each gives 28,000 more ports) and starts connecting. False when the system refuses.
  bool start(const Target& target, const Upgrade& upgrade, const std::string& source);
  /// Return false when the connection has ended; close_code() tells how.
  bool on_readable();
  bool on_writable();

  void send(std::uint8_t opcode, std::string_view payload);  ///< queued until open
  void stop_reading(bool stop) noexcept { paused_ = stop; }

  [[nodiscard]] int fd() const noexcept { return fd_; }
  [[nodiscard]] std::uint32_t id() const noexcept { return id_; }
  [[nodiscard]] State state() const noexcept { return state_; }
  [[nodiscard]] bool wants_write() const noexcept { return state_ == State::connecting || !out_.empty(); }
  [[nodiscard]] bool paused() const noexcept { return paused_; }
  [[nodiscard]] int close_code() const noexcept { return close_code_; }  ///< 0: without a Close frame
  [[nodiscard]] std::uint64_t bytes_read() const noexcept { return bytes_read_; }

 private:
  bool finish_connect();
  bool finish_upgrade();
  bool parse();
  bool flush();
  void queue_frame(std::uint8_t opcode, std::string_view payload);
  bool end();

  const std::uint32_t id_;
  OnMessage on_message_;
  int fd_ = -1;
  State state_ = State::closed;
  bool paused_ = false;
  int close_code_ = 0;
  std::string request_;
  std::string early_;  // frames queued before the upgrade is done
  std::string in_;
  std::string out_;
  std::uint64_t bytes_read_ = 0;
};

}  // namespace tocsin::loadgen
