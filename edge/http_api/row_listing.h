#pragma once
// RowListing: a page of the incidents that some rows let be seen, asked of the broker as often as it takes.
//
// Invariant: pages of the broker without any are passed over, and the cursor is the key of an incident that
// was shown: a foreign one's would tell of it. Thread: the loop.
#include <memory>
#include <utility>

#include "edge/broker_port.h"
#include "proto/filter.h"

namespace tocsin::edge {

class RowListing : public std::enable_shared_from_this<RowListing> {
 public:
  RowListing(BrokerPort& broker, link::ListIncidents query, Constraints rows,
             Answer<link::IncidentsPage> answer)
      : broker_(broker), query_(std::move(query)), rows_(std::move(rows)), answer_(std::move(answer)) {}

  void ask() {
    broker_.list_incidents(query_, [self = shared_from_this()](Result<link::IncidentsPage> page) {
      self->take(std::move(page));
    });
  }

 private:
  void take(Result<link::IncidentsPage> page) {
    if (!page || !page->fault.ok()) return answer_(std::move(page));
    // Asked for already; an older broker would not have understood.
    std::erase_if(page->incidents, [&](const auto& incident) {
      return !inside(rows_, facts_of_incident(incident.key, incident.json));
    });
    if (page->incidents.empty() && !page->cursor.empty()) {
      query_.cursor = page->cursor;
      return ask();
    }
    if (!page->cursor.empty()) page->cursor = page->incidents.back().key;
    answer_(std::move(page));
  }

  BrokerPort& broker_;
  link::ListIncidents query_;
  const Constraints rows_;
  const Answer<link::IncidentsPage> answer_;
};

}  // namespace tocsin::edge
