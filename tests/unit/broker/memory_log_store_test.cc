// The stores that need no disk pass the suite.
#include "broker/log/memory_log_store.h"

#include <doctest/doctest.h>

#include "broker/log/split_log_store.h"
#include "tests/unit/broker/log_store_suite.h"

using namespace tocsin;
using namespace tocsin::broker;
using namespace tocsin::broker::testing;

namespace {

/// Two memory stores behind the router of channels: what it routes is tested, not where to.
std::unique_ptr<LogStore> make_split() {
  struct Owned {
    MemoryLogStore disk;
    MemoryLogStore memory;
    SplitLogStore split{disk, memory};
  };
  auto owned = std::make_shared<Owned>();
  LogStore& store = owned->split;
  return std::make_unique<HeldStore>(std::move(owned), store);
}

}  // namespace

TEST_CASE("the memory store keeps the promises of a LogStore") {
  run_log_store_suite({[] { return std::make_unique<MemoryLogStore>(); }, Durability::memory});
}

TEST_CASE("the split store keeps the promises of a LogStore for channels on disk") {
  run_log_store_suite({make_split, Durability::disk});
}

TEST_CASE("the split store keeps the promises of a LogStore for channels in memory") {
  run_log_store_suite({make_split, Durability::memory});
}

TEST_CASE("one batch may touch both sides of the split store") {
  MemoryLogStore disk;
  MemoryLogStore memory;
  SplitLogStore store(disk, memory);
  const ChannelId kept = store.new_channel_id(Durability::disk);
  const ChannelId passing = store.new_channel_id(Durability::memory);
  Batch batch = rows(kept, "incidents", 1, 2);
  Batch other = rows(passing, "typing", 1, 3);
  batch.appends.insert(batch.appends.end(), other.appends.begin(), other.appends.end());
  batch.channels.push_back(other.channels.front());
  batch.incidents.emplace_back(passing, incident("k", 3, "{}"));
  REQUIRE(commit_now(store, std::move(batch)));
  CHECK(disk.channels()->size() == 1);
  CHECK(memory.channels()->size() == 1);
  CHECK(store.channels()->size() == 2);
  CHECK(store.read_after(kept, 0, 10, 1000)->size() == 2);
  CHECK(store.read_after(passing, 0, 10, 1000)->size() == 3);
  CHECK(store.incident(passing, "k")->has_value());
  CHECK_FALSE(disk.incident(passing, "k")->has_value());
}
