#include "ops/supervisor/moves/balance.h"

#include <algorithm>

namespace tocsin::ops {
namespace {

struct Share {
  std::string edge;
  std::int64_t clients;
  std::int64_t share;
  [[nodiscard]] std::int64_t excess() const { return clients - share; }
};

/// Whole shares whose sum is the sum of all clients.
std::vector<Share> shares_of(const std::vector<EdgeView>& edges) {
  std::vector<Share> shares;
  std::int64_t clients = 0, weights = 0;
  for (const EdgeView& edge : edges) {
    if (!edge.takes_clients()) continue;
    clients += static_cast<std::int64_t>(edge.clients);
    weights += static_cast<std::int64_t>(edge.weight);
    shares.push_back(
        {edge.id, static_cast<std::int64_t>(edge.clients), static_cast<std::int64_t>(edge.weight)});
  }
  if (weights == 0) return {};
  std::int64_t given = 0;
  for (Share& share : shares) given += share.share = clients * share.share / weights;
  // What rounding left goes to those that have most already: it need not move.
  std::sort(shares.begin(), shares.end(),
            [](const Share& a, const Share& b) { return a.excess() > b.excess(); });
  for (Share& share : shares) {
    if (given == clients) break;
    ++share.share;
    ++given;
  }
  return shares;
}

}  // namespace

Balance balance(const std::vector<EdgeView>& edges, std::uint64_t step) {
  Balance result;
  std::vector<Share> shares = shares_of(edges);
  for (const Share& share : shares) {
    result.spread += static_cast<std::uint64_t>(std::max<std::int64_t>(0, share.excess()));
    const std::int64_t tolerance = std::max<std::int64_t>(1, share.share / 10);
    if (share.excess() > tolerance || -share.excess() > tolerance) result.good = false;
  }
  if (result.good) return result;
  std::sort(shares.begin(), shares.end(),
            [](const Share& a, const Share& b) { return a.excess() > b.excess(); });
  for (std::size_t from = 0, to = shares.size(); from + 1 < to--; ++from) {
    const std::int64_t count =
        std::min({shares[from].excess(), -shares[to].excess(), static_cast<std::int64_t>(step)});
    if (count <= 0) break;
    result.shifts.push_back({shares[from].edge, shares[to].edge, static_cast<std::uint64_t>(count)});
  }
  return result;
}

}  // namespace tocsin::ops
