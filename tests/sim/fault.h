#pragma once
// Fault: a bug that a faulty port brings into the cluster, to show that the checker sees it. The product's
// code is untouched: a port breaks its promise as a wrong implementation behind it would. Thread: any.
#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

namespace tocsin::sim {

enum class Fault : std::uint8_t {
  none,
  done_before_kept,  ///< the store reports success at once: fan-out and acknowledgement before the commit
  event_ids_lost,    ///< the store forgets event ids at a restart: a repeated publish is sequenced twice
  stale_snapshot,    ///< the store's snapshot lacks what changed last
  epoch_forgotten,   ///< the edge is shown the first epoch of a channel for ever
  repair_dropped,    ///< a page of a gap repair carries an update twice in place of the next
  tail_hidden,       ///< updates vanish on the way to an edge and heads do not tell
  update_dropped,    ///< an update frame is not written to a socket
  update_repeated,   ///< an update frame is written twice
  skip_dropped,      ///< a skip frame is not written to a socket
  skip_instead,      ///< an update frame is replaced by a skip of its offset
  offer_cuts,        ///< an edge that offers another one breaks the client's socket with it
  record_ahead,      ///< a session's record says that the client has more than it has
  rows_unknown,      ///< edges take tokens and do not look at whose rows they show
  revocations_lost,  ///< edges are told of revocations without their names
  claims_untold,     ///< the former edge is not told that a session was claimed elsewhere
};

inline constexpr std::array<std::pair<std::string_view, Fault>, 16> kFaults{
    {{"none", Fault::none},
     {"done_before_kept", Fault::done_before_kept},
     {"event_ids_lost", Fault::event_ids_lost},
     {"stale_snapshot", Fault::stale_snapshot},
     {"epoch_forgotten", Fault::epoch_forgotten},
     {"repair_dropped", Fault::repair_dropped},
     {"tail_hidden", Fault::tail_hidden},
     {"update_dropped", Fault::update_dropped},
     {"update_repeated", Fault::update_repeated},
     {"skip_dropped", Fault::skip_dropped},
     {"skip_instead", Fault::skip_instead},
     {"offer_cuts", Fault::offer_cuts},
     {"record_ahead", Fault::record_ahead},
     {"rows_unknown", Fault::rows_unknown},
     {"revocations_lost", Fault::revocations_lost},
     {"claims_untold", Fault::claims_untold}}};

}  // namespace tocsin::sim
