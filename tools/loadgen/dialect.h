#pragma once
// Dialect: what a broadcast server's protocol says for "subscribe", "publish" and "here is a message". The load generator
// drives Tocsin and its peers through this one port, with the same payload, so that they are measured alike.
//
// Every published payload is a JSON object {"t":<due, us>,"n":<sequence from 1>,"pad":"..."}: a peer without offsets is
// still checked for order, gaps and duplicates by n.
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
  virtual void delivery(std::string_view payload) = 0;  ///< the JSON that was published, or a frame that holds it
  virtual void acknowledged(std::uint64_t due_us) = 0;
  virtual void refused() = 0;
  virtual void reply(std::uint8_t opcode, std::string_view bytes) = 0;  ///< send this back

 protected:
  Sink() = default;
};

/// One per connection where the protocol needs to remember a torn message.
class Dialect {
 public:
  enum class Role : std::uint8_t { listener, publisher };

  virtual ~Dialect() = default;
  Dialect(const Dialect&) = delete;
  Dialect& operator=(const Dialect&) = delete;

  [[nodiscard]] virtual std::string path() const = 0;
  [[nodiscard]] virtual std::string subprotocol() const = 0;
  /// Said right after the upgrade.
  virtual void greet(Connection& c, Role role) = 0;
  virtual void publish(Connection& c, std::uint64_t due_us, std::string_view payload) = 0;
  virtual void take(std::string_view message, Sink& sink) = 0;
  /// False for a protocol that confirms no publish.
  [[nodiscard]] virtual bool acknowledges() const { return false; }
  /// False for a protocol that confirms no subscription: then the upgrade counts.
  [[nodiscard]] virtual bool confirms() const { return true; }

 protected:
  Dialect() = default;
};

/// tocsin | nchan | nats | mqtt; nullptr for another name.
[[nodiscard]] std::unique_ptr<Dialect> make_dialect(const std::string& name, const std::string& channel,
                                                    const std::string& filter);

}  // namespace tocsin::loadgen
