#include "edge/http_api/publishing.h"

#include <array>
#include <utility>

#include "common/json/json.h"

namespace tocsin::edge {
namespace {

std::string_view name_of(Retry retry) noexcept {
  constexpr std::array<std::string_view, 3> kNames{"never", "backoff", "resync"};
  return kNames[static_cast<std::size_t>(retry)];
}

std::string result_object(const link::PublishOutcome& o, std::string_view channel) {
  std::string out = "{\"event_id\":";
  json::append_quoted(out, o.event_id);
  out.append(",\"channel\":");
  json::append_quoted(out, channel);
  out.append(",\"position\":{\"epoch\":\"").append(to_text(o.position.epoch));
  out.append("\",\"offset\":").append(std::to_string(o.position.offset));
  out.append("},\"duplicate\":").append(o.duplicate ? "true" : "false");
  out.append(",\"durability\":\"").append(to_text(o.durability)).append("\"");
  if (o.version > 0) out.append(",\"version\":").append(std::to_string(o.version));
  return out + "}";
}

std::string_view trimmed(std::string_view line) {
  constexpr std::string_view kBlank = " \t\r";
  const auto from = line.find_first_not_of(kBlank);
  return from == std::string_view::npos ? std::string_view{}
                                        : line.substr(from, line.find_last_not_of(kBlank) - from + 1);
}

}  // namespace

std::string error_object(const Error& error) {
  const ErrcInfo& info = describe(error.code);
  std::string message(info.text);
  if (!error.detail.empty()) message.append(": ").append(error.detail);
  std::string out = "{\"code\":";
  json::append_quoted(out, info.name);
  out.append(",\"status\":").append(std::to_string(info.wire_code)).append(",\"message\":");
  json::append_quoted(out, message);
  out.append(",\"retry\":\"").append(name_of(info.retry)).append("\"}");
  return out;
}

HttpReply problem(const Error& error) {
  const ErrcInfo& info = describe(error.code);
  HttpReply reply;
  reply.status = info.wire_code;
  reply.content_type = "application/problem+json";
  reply.body = "{\"type\":\"about:blank\",\"title\":";
  json::append_quoted(reply.body, info.text);
  reply.body.append(",\"code\":");
  json::append_quoted(reply.body, info.name);
  reply.body.append(",\"status\":").append(std::to_string(info.wire_code)).append(",\"detail\":");
  json::append_quoted(reply.body, error.detail.empty() ? info.text : std::string_view(error.detail));
  reply.body.append(",\"retry\":\"").append(name_of(info.retry)).append("\"}");
  if (error.code == Errc::unauthorized) reply.headers.emplace_back("www-authenticate", "Bearer");
  if (info.retry == Retry::backoff) reply.headers.emplace_back("retry-after", "1");
  return reply;
}

Publishing::Publishing(BrokerPort& broker, Form form, std::string default_channel, Limits limits,
                       HttpApi::Reply reply)
    : broker_(broker),
      form_(form),
      default_channel_(std::move(default_channel)),
      limits_(std::move(limits)),
      reply_(std::move(reply)) {}

bool Publishing::feed(std::string_view bytes) {
  if (replied_) return false;
  if (form_ == Form::lines) {
    for (auto end = bytes.find('\n'); end != std::string_view::npos && !replied_; end = bytes.find('\n')) {
      partial_.append(bytes.substr(0, end));
      take_update(partial_);
      partial_.clear();
      ++line_;
      bytes.remove_prefix(end + 1);
    }
    if (chunk_.size() >= kChunk / 2) send_chunk();
  }
  if (!replied_) partial_.append(bytes);
  if (partial_.size() > limits_.max_update)
    fail({Errc::too_large, "the update in line " + std::to_string(line_) + " is longer than " +
                               std::to_string(limits_.max_update) + " bytes; " +
                               std::to_string(results_.size()) + " before it were taken"});
  return !replied_;
}

void Publishing::finish() {
  if (replied_) return;
  take_update(partial_);
  partial_.clear();
  if (replied_) return;
  ended_ = true;
  if (results_.empty())
    return fail({Errc::invalid_argument,
                 "the body holds no update; send one JSON object, or one a line as application/x-ndjson"});
  send_chunk();
  settle();
}

void Publishing::take_update(std::string_view json) {
  json = trimmed(json);
  if (json.empty()) return;
  results_.emplace_back();
  line_of_.push_back(line_);
  auto draft = parse_draft(json, default_channel_, limits_.max_update);
  if (!draft) return refuse_line(draft.error());
  if (limits_.permit)
    if (auto permitted = limits_.permit(draft->channel); !permitted) return refuse_line(permitted.error());
  if (limits_.spend) {
    if (over_.empty())
      if (auto spent = limits_.spend(json.size()); !spent) over_ = spent.error().detail;
    if (!over_.empty()) return refuse_line({Errc::too_many, over_});
  }
  if (chunk_.empty()) {
    chunk_first_ = results_.size() - 1;
  } else if (chunk_first_ + chunk_.size() !=
             results_.size() - 1) {  // a refused line lies between: the chunk's lines must be neighbours
    send_chunk();
    chunk_first_ = results_.size() - 1;
  }
  draft->within = limits_.within;
  draft->trace = limits_.trace;
  chunk_.push_back(*std::move(draft));
  if (chunk_.size() >= kChunk) send_chunk();
  if (results_bytes_ > limits_.max_results)
    fail({Errc::too_large, "too many updates in one request; the first " + std::to_string(results_.size()) +
                               " were taken, send the rest in another"});
}

void Publishing::refuse_line(const Error& error) {
  if (form_ == Form::single) return fail(error);
  if (accepted_ == 0 && first_error_.detail.empty()) first_error_ = error;
  auto& result = results_.back();
  result = "{\"line\":" + std::to_string(line_) + ",\"error\":" + error_object(error) + "}";
  results_bytes_ += result.size();
}

void Publishing::send_chunk() {
  if (chunk_.empty()) return;
  const std::size_t first = chunk_first_;
  const std::size_t count = chunk_.size();
  std::vector<std::string> channels;
  channels.reserve(count);
  for (const auto& draft : chunk_) channels.push_back(draft.channel);
  unanswered_ += count;
  broker_.publish(std::exchange(chunk_, {}),
                  [self = shared_from_this(), first, count,
                   channels = std::move(channels)](Result<std::vector<link::PublishOutcome>> answer) {
                    self->answered(first, count, channels, answer);
                  });
}

void Publishing::answered(std::size_t first, std::size_t count, const std::vector<std::string>& channels,
                          const Result<std::vector<link::PublishOutcome>>& answer) {
  unanswered_ -= count;
  for (std::size_t i = 0; i < count; ++i) {
    const bool known = answer && i < answer->size();
    const auto* outcome = known ? &(*answer)[i] : nullptr;
    auto& result = results_[first + i];
    if (outcome != nullptr && outcome->fault.ok()) {
      ++accepted_;
      result = result_object(*outcome, channels[i]);
    } else {
      const Error error = outcome != nullptr
                              ? link::error_of(outcome->fault)
                              : (answer ? Error{Errc::internal, "an outcome is missing"} : answer.error());
      if (accepted_ == 0 && first_error_.detail.empty()) first_error_ = error;
      result = "{\"line\":" + std::to_string(line_of_[first + i]) + ",\"error\":" + error_object(error) + "}";
    }
    results_bytes_ += result.size();
  }
  settle();
}

void Publishing::settle() {
  if (replied_ || !ended_ || unanswered_ > 0) return;
  if (form_ == Form::single && accepted_ == 0) return fail(first_error_);
  HttpReply reply;
  // When nothing at all was taken the status says so, for publishers that look no further.
  if (accepted_ == 0) reply.status = describe(first_error_.code).wire_code;
  reply.body.reserve(results_bytes_ + results_.size() + 16);
  reply.body = "{\"results\":[";
  for (std::size_t i = 0; i < results_.size(); ++i) {
    if (i > 0) reply.body.push_back(',');
    reply.body.append(results_[i]);
  }
  reply.body.append("]}");
  replied_ = true;
  reply_(std::move(reply));
}

void Publishing::fail(const Error& error) {
  send_chunk();  // lines before the failure stand on their own
  if (replied_) return;
  replied_ = true;
  reply_(problem(error));
}

}  // namespace tocsin::edge
