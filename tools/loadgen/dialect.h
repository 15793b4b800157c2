#pragma once
// Dialect: what a broadcast server's protocol says for "subscribe", "publish" and "here is a message". The
// load generator drives Tocsin and its peers through this one port, with the same payload, so that they are
// measured alike.
//
// Every published payload is a JSON object {"t":<due, us>,"n":<sequence from 1>,...}: a peer without offsets
// is still checked for order, gaps and duplicates by n.
//
// Thread: one. The views given to Sink live during the call.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "tools/loadgen/connection.h"

namespace tocsin::loadgen {

/// What one incoming WebSocket message meant.
class Sink {
 public:
  virtual ~Sink() = default;
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;
  virtual void subscribed() = 0;
  virtual void delivery(
      std::string_view payload) = 0;  ///< the JSON that was published, or a frame that holds it
  virtual void acknowledged(std::uint64_t due_us) = 0;
  virtual void refused() = 0;
  virtual void reply(std::uint8_t opcode, std::string_view bytes) = 0;  ///< send this back

 protected:
  Sink() = default;
};

/// What a listener asks for.
struct Topic {
  std::string channel;
  std::string filter = "{}";  ///< JSON; only Tocsin filters
};

/// What a publisher says.
struct Message {
  std::uint64_t due_us = 0;
  std::string_view channel;
  std::string_view payload;  ///< the JSON object with t and n
  std::string_view
      incident;  ///< not empty: the whole incident that holds the payload, for a server with incidents
};

/// One per connection: it remembers a torn message, and where its stream stands.
class Dialect {
 public:
  enum class Role : std::uint8_t { listener, publisher };

  virtual ~Dialect() = default;
  Dialect(const Dialect&) = delete;
  Dialect& operator=(const Dialect&) = delete;

  [[nodiscard]] virtual std::string path() const = 0;
  [[nodiscard]] virtual std::string subprotocol() const = 0;
  /// Said right after the upgrade. `seen` not 0: go on after that offset, where the protocol can.
  virtual void greet(Connection& c, Role role, std::uint64_t seen) = 0;
  virtual void publish(Connection& c, const Message& message) = 0;
  virtual void take(std::string_view message, Sink& sink) = 0;
  /// False for a protocol that confirms no publish.
  [[nodiscard]] virtual bool acknowledges() const { return false; }
  /// False for a protocol that confirms no subscription: then the upgrade counts.
  [[nodiscard]] virtual bool confirms() const { return true; }
  /// True for a protocol with offsets, skips and resume: its streams are held to them.
  [[nodiscard]] virtual bool has_offsets() const { return false; }

 protected:
  Dialect() = default;
};

/// tocsin | tocsin-proto (filters are not passed on) | nchan | nats | mqtt | redis; nullptr for another name.
[[nodiscard]] std::unique_ptr<Dialect> make_dialect(const std::string& name, Topic topic);
[[nodiscard]] std::unique_ptr<Dialect> make_proto_dialect(std::string channel);  // dialect_proto.cc

}  // namespace tocsin::loadgen
