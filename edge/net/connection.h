#pragma once
// Connection: what edge/net knows of one socket beside the library's own struct. Small, since there is one
// per client; what only a request, a message in pieces or a close needs hangs off it while it lasts.
//
//   fresh --(request)--> HTTP: Exchange, answered, fresh again
//     |        '--(GET /v1/events)--> streaming --.
//     '--(upgrade)--> streaming ------------------'--(close | peer gone)--> mute --> destroyed
//
// Thread: the loop.
#include <cstdint>
#include <list>
#include <memory>
#include <string>

#include "common/clock.h"
#include "common/close.h"
#include "common/net/ip.h"
#include "edge/limits/limit.h"
#include "edge/session/gateway.h"

struct lws;

namespace tocsin::edge {

struct Connection;
struct Exchange;

/// Who has to be done by when; in order of the time, since each list has one patience.
struct Due {
  Instant at;
  Connection* connection;
};
using DueList = std::list<Due>;

struct Connection {
  enum class Kind : std::uint8_t { fresh, websocket, events };

  lws* wsi = nullptr;
  int fd = -1;          ///< of wsi, while it is plain: written to directly; -1 with TLS
  net::IpAddress peer;  ///< who connected, or whom its PROXY header named
  net::IpAddress from;  ///< the client of the newest request: another one behind a trusted proxy
  ClientId client{};
  Kind kind = Kind::fresh;
  bool known = false;       ///< the Gateway has it; Gateway::closed is owed
  bool redirected = false;  ///< came to tls.redirect_port
  bool mute = false;        ///< a close has begun, by whichever side: not a byte more
  bool closing = false;     ///< we close once what is queued is out
  bool close_sent = false;
  bool receiving = false;  ///< in the list of those that sent something in this turn
  bool deflate = false;    ///< permessage-deflate was agreed on
  bool inflate = false;    ///< the message under way is compressed
  bool charged = false;    ///< Limits counts it, as a socket of `from`
  bool spent = false;      ///< its last answer is given: what it sends after that is no request
  bool secure = false;     ///< the peer speaks TLS, or its PROXY header says that the client does
  std::uint8_t offer = 0;  ///< offers of permessage-deflate to pass over, and then the one to take; 0: none
  std::uint8_t retry_after = 0;  ///< seconds; not 0: only told to come back then
  CloseReason reason{};
  DueList* list = nullptr;  ///< that `due` is in
  DueList::iterator due;
  std::shared_ptr<Exchange> exchange;
  std::unique_ptr<std::string> partial;  ///< the beginning of a message that comes in pieces
  std::unique_ptr<std::string> detail;   ///< of the close
  std::unique_ptr<Over> over;            ///< why it is refused, when that is a limit of its own

  void be_done_by(DueList& in, Instant at) {
    done_in_time();
    due = in.insert(in.end(), Due{at, this});
    list = &in;
  }
  void done_in_time() {
    if (list != nullptr) list->erase(due);
    list = nullptr;
  }
};

}  // namespace tocsin::edge
