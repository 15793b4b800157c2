#pragma once
// Publishing: one POST /v1/updates under way. Lines go in, drafts go to the broker in chunks, results are
// gathered in the order of the lines, and one reply comes out when the body has ended and every chunk is
// answered.
//
//   feeding --finish()--> waiting --last answer--> replied        give_up() from anywhere: no reply
//
// Invariant: a line that was refused left nothing behind; a line that was accepted has its result at its
// place. Thread: the loop. Kept alive by the chunks that are under way.
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "edge/broker_port.h"
#include "edge/http_api/http_api.h"

namespace tocsin::edge {

class Publishing : public std::enable_shared_from_this<Publishing> {
 public:
  enum class Form : std::uint8_t { single, lines };
  struct Limits {
    std::size_t max_update = 0;   ///< bytes of one update's JSON
    std::size_t max_results = 0;  ///< bytes of results after which the rest is refused
    /// What speaks against an update to that channel; empty: nothing ever does.
    std::function<Status(std::string_view channel)> permit;
    std::string within;   ///< of every draft
    std::string trace{};  ///< the same
    /// What speaks against one more update of so many bytes; empty: nothing. After the first no the rest is
    /// refused as well, so that what was taken is the beginning.
    std::function<Status(std::size_t bytes)> spend;
  };

  Publishing(BrokerPort& broker, Form form, std::string default_channel, Limits limits, HttpApi::Reply reply);

  bool feed(std::string_view bytes);
  void finish();
  void give_up() noexcept { replied_ = true; }
  /// True while so many updates are unanswered that the socket should not be read.
  [[nodiscard]] bool full() const noexcept { return unanswered_ >= kMaxUnanswered; }

 private:
  static constexpr std::size_t kChunk = 256;
  static constexpr std::size_t kMaxUnanswered = 4'096;

  void take_update(std::string_view json);
  void refuse_line(const Error& error);
  void send_chunk();
  void answered(std::size_t first, std::size_t count, const std::vector<std::string>& channels,
                const Result<std::vector<link::PublishOutcome>>& answer);
  void settle();
  void fail(const Error& error);

  BrokerPort& broker_;
  const Form form_;
  const std::string default_channel_;
  const Limits limits_;
  HttpApi::Reply reply_;

  std::string partial_;  // the line, or the single update, that is not complete yet
  std::vector<Draft> chunk_;
  std::size_t chunk_first_ = 0;
  std::vector<std::string> results_;  // by line; empty: not known yet
  std::size_t results_bytes_ = 0;
  std::vector<std::uint32_t> line_of_;  // by result: the line in the body
  std::uint32_t line_ = 1;
  std::size_t unanswered_ = 0;
  std::size_t accepted_ = 0;
  bool ended_ = false;
  bool replied_ = false;
  std::string over_;  ///< what spend() said
  Error first_error_{Errc::internal, ""};
};

/// {"code":..,"status":..,"message":..,"retry":..}
[[nodiscard]] std::string error_object(const Error& error);

}  // namespace tocsin::edge
