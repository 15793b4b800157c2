#pragma once
// Outlet: what the hub may do to a socket. Implemented by edge/net on libwebsockets, and by recorders in
// tests and the simulation. The handle is whatever net gave to Gateway::open; the hub never looks inside.
//
// Thread: the loop. Nothing here calls back; Gateway::writable and Gateway::closed come on a later turn.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/close.h"

namespace tocsin::edge {

using Socket = void*;

enum class Sent : std::uint8_t {
  all,     ///< taken by the kernel, more may follow
  queued,  ///< taken, but a part waits for the socket: write nothing more until Gateway::writable
  dead,    ///< the socket is beyond use; Gateway::closed will follow
};

class Outlet {
 public:
  virtual ~Outlet() = default;
  Outlet(const Outlet&) = delete;
  Outlet& operator=(const Outlet&) = delete;

  /// True while bytes of an earlier write, or the library's own control frame, wait unsent. No system call.
  /// Whoever reads true is owed a Gateway::writable.
  [[nodiscard]] virtual bool busy(Socket socket) const = 0;
  /// Sends whole frames, ready made for the socket's protocol, in one write. Never when busy().
  virtual Sent write(Socket socket, std::string_view frames) = 0;
  /// Ends the connection with the reason's close code (once what is queued is out, or after a bounded wait).
  /// Nothing may be written to `socket` after this.
  virtual void close(Socket socket, CloseReason reason, std::string_view detail) = 0;
  /// Bytes the client has sent so far, control frames and all; 0: not known. A system call.
  [[nodiscard]] virtual std::uint64_t received(Socket) const { return 0; }
  /// Largest batch that write() takes without copying: 64 KiB plain, 16 KiB for TLS (one record).
  [[nodiscard]] virtual std::size_t max_batch(Socket socket) const = 0;

 protected:
  Outlet() = default;
};

}  // namespace tocsin::edge
