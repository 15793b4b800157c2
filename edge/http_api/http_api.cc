#include "edge/http_api/http_api.h"

#include <algorithm>
#include <array>

#include "common/json/json.h"
#include "common/log/audit.h"
#include "common/trace/context.h"
#include "edge/auth/gate.h"
#include "edge/codec/query.h"
#include "edge/http_api/admin.h"
#include "edge/http_api/board.h"
#include "edge/http_api/health.h"
#include "edge/http_api/publishing.h"
#include "edge/http_api/row_listing.h"
#include "edge/limits/limits.h"
#include "edge/monitoring/cluster_figures.h"
#include "edge/monitoring/traffic_meter.h"

namespace tocsin::edge {
namespace {

constexpr std::string_view kDefaultChannel = "incidents";
constexpr std::uint64_t kMaxIncidents = 1'000;
constexpr std::uint64_t kMaxUpdates = 1'000;
constexpr std::uint32_t kPageBytes = 1U << 20U;
constexpr std::size_t kMaxResultBytes = std::size_t{64} << 20U;

HttpReply json_reply(std::string body) {
  HttpReply reply;
  reply.body = std::move(body);
  return reply;
}

std::string head_members(const link::Head& head) {
  std::string out = "\"channel\":";
  json::append_quoted(out, head.channel);
  out.append(",\"epoch\":\"")
      .append(to_text(head.epoch))
      .append("\",\"first\":")
      .append(std::to_string(head.first));
  return out.append(",\"last\":").append(std::to_string(head.last));
}

HttpReply incidents_reply(const link::IncidentsPage& page) {
  std::string out = "{" + head_members(page.head) + ",\"incidents\":[";
  for (std::size_t i = 0; i < page.incidents.size(); ++i) {
    if (i > 0) out.push_back(',');
    out.append(page.incidents[i].json);
  }
  out.push_back(']');
  if (!page.cursor.empty()) {
    out.append(",\"cursor\":");
    json::append_quoted(out, page.cursor);
  }
  return json_reply(out + "}");
}

struct Asked {
  Offset after;
  std::uint64_t limit;
};

/// `to` says how far was looked: what lies between the updates may not be seen.
Result<HttpReply> updates_reply(const link::ReadResult& page, Asked asked, const Constraints& rows) {
  std::string out = "{" + head_members(page.head) + ",\"updates\":[";
  Offset last = 0;
  for (const auto& record : page.records) {
    if (asked.limit == 0) break;
    const auto update = link::decode_update(record);
    if (!update) return update.error();
    last = record.offset;
    if (!rows.empty() && !inside(rows, facts_of(*update))) continue;
    --asked.limit;
    out.append(out.ends_with('[') ? "{\"offset\":" : ",{\"offset\":").append(std::to_string(record.offset));
    out.append(",").append(update_members_json(*update)).append("}");
  }
  out.append("],\"to\":").append(std::to_string(last > 0 ? last : asked.after));
  out.append(",\"more\":").append(last > 0 && last < page.head.last ? "true" : "false");
  return json_reply(out + "}");
}

/// The reply for an answer: the error as a problem, or what `make` says of the value.
template <typename T, typename Make>
Answer<T> answering(HttpApi::Reply reply, Make make) {
  return [reply = std::move(reply), make = std::move(make)](Result<T> answer) {
    if (!answer) return reply(problem(answer.error()));
    if (!answer->fault.ok()) return reply(problem(link::error_of(answer->fault)));
    reply(make(*answer));
  };
}

bool wants_details(std::string_view text) {
  const auto query = parse_query(text);
  const std::string* detailed = query ? find(*query, "detailed") : nullptr;
  return detailed != nullptr && *detailed != "false" && *detailed != "0";
}

/// Cuts `prefix` off `path`; false and untouched when it does not start with it.
bool cut(std::string_view& path, std::string_view prefix) {
  if (!path.starts_with(prefix)) return false;
  path.remove_prefix(prefix.size());
  return true;
}

class PublishUpload final : public Upload {
 public:
  explicit PublishUpload(std::shared_ptr<Publishing> publishing) : publishing_(std::move(publishing)) {}
  ~PublishUpload() override {
    if (!finished_) publishing_->give_up();
  }
  bool feed(std::string_view bytes) override { return publishing_->feed(bytes); }
  void finish() override {
    finished_ = true;
    publishing_->finish();
  }
  [[nodiscard]] bool full() const override { return publishing_->full(); }

 private:
  std::shared_ptr<Publishing> publishing_;
  bool finished_ = false;
};

}  // namespace

struct HttpApi::State {
  using Handler = void (State::*)(const HttpRequest&, std::string_view rest, const Query&, const Reply&);
  struct Route {
    std::string_view prefix;
    bool exact;
    bool reads;  ///< GET and HEAD; otherwise POST
    Handler handler;
  };
  static const std::array<Route, 12> kRoutes;

  const Config& config;
  const Clock& clock;
  BrokerPort& broker;
  Sources sources;
  Health health{config, sources};
  std::unique_ptr<AdminApi> admin{};
  const Gate* gate = nullptr;  ///< null: no token is asked for
  Limits* limits = nullptr;    ///< null: there are none

  void board(const HttpRequest&, std::string_view, const Query&, const Reply& reply) { reply(board_page()); }
  void board_part(const HttpRequest&, std::string_view rest, const Query&, const Reply& reply) {
    reply(board_file(rest));
  }
  [[nodiscard]] HttpReply exposition(std::string_view profiles) const;
  void metrics(const HttpRequest&, std::string_view, const Query& query, const Reply& reply);
  void websocket_metrics(const HttpRequest&, std::string_view, const Query& query, const Reply& reply);
  [[nodiscard]] Status may_monitor(const HttpRequest& request) const;
  [[nodiscard]] Status may_read_metrics(const HttpRequest& request) const;
  void figures(const HttpRequest& request, std::string_view, const Query&, const Reply& reply);
  void connections(const HttpRequest& request, std::string_view, const Query&, const Reply& reply);
  void publish(const HttpRequest& request, std::string_view, const Query& query, const Reply& reply);
  void incidents(const HttpRequest& request, std::string_view, const Query& query, const Reply& reply);
  void incident(const HttpRequest& request, std::string_view id, const Query& query, const Reply& reply);
  void channel(const HttpRequest& request, std::string_view name, const Query& query, const Reply& reply);
  void updates(const std::string& name, const Query& query, Constraints rows, const Reply& reply);

  static Error refused(const HttpRequest& request, std::string_view action, Error error,
                       std::string_view what) {
    log::audit({.action = action,
                .outcome = describe(error.code).name,
                .who = {},
                .from = request.from.text(),
                .what = what,
                .why = error.detail});
    return error;
  }
  /// Who asks a question: the rows of the channel that it may read, none: all; or why it is not answered.
  struct Reader {
    Constraints rows;
    std::optional<HttpReply> refusal;
  };
  [[nodiscard]] Reader reader_of(const HttpRequest& request, std::string_view channel) const;
  [[nodiscard]] Result<std::string> channel_of(const Query& query) const;
  [[nodiscard]] std::shared_ptr<Publishing> publishing(const HttpRequest& request, const Query& query,
                                                       Reply reply) const;
};

const std::array<HttpApi::State::Route, 12> HttpApi::State::kRoutes{{
    {"/metrics", true, true, &State::metrics},
    {"/websocket/metrics", true, true, &State::websocket_metrics},
    {"/api/monitoring/websocket/metrics/", true, true, &State::figures},
    {"/api/monitoring/websocket/metrics", true, true, &State::figures},
    {"/api/monitoring/websocket/active-connections/", true, true, &State::connections},
    {"/api/monitoring/websocket/active-connections", true, true, &State::connections},
    {"/v1/updates", true, false, &State::publish},
    {"/v1/incidents", true, true, &State::incidents},
    {"/v1/incidents/", false, true, &State::incident},
    {"/v1/channels/", false, true, &State::channel},
    {"/", true, true, &State::board},
    {"/board/", false, true, &State::board_part},
}};

HttpApi::State::Reader HttpApi::State::reader_of(const HttpRequest& request, std::string_view channel) const {
  Gate::Holder holder;
  if (gate != nullptr) {
    auto admitted = gate->admit(request.token);
    if (!admitted) return {{}, problem(refused(request, "read", admitted.error(), channel))};
    holder = *std::move(admitted);
  }
  if (limits != nullptr)  // before what costs something, and before it is said what is not permitted
    if (const auto over = limits->ask(request.from, holder ? std::string_view(holder->subject) : "",
                                      holder ? std::string_view(holder->tenant) : "",
                                      request.path.size() + request.query.size())) {
      HttpReply reply = problem({Errc::too_many, over->text});
      std::erase_if(reply.headers, [](const auto& header) { return header.first == "retry-after"; });
      reply.headers.emplace_back("retry-after", std::to_string(over->retry_after_s));
      return {{}, std::move(reply)};
    }
  if (!holder) return {};
  if (!holder->permissions.allow(auth::Action::subscribe, channel))
    return {{},
            problem(refused(request, "read", gate->forbidden(auth::Action::subscribe, channel), channel))};
  return {holder->rows, {}};
}

Result<std::string> HttpApi::State::channel_of(const Query& query) const {
  const std::string* name = find(query, "channel");
  std::string channel(name != nullptr ? std::string_view(*name) : kDefaultChannel);
  if (auto ok = check_channel_name(channel); !ok) return ok.error();
  return channel;
}

HttpReply HttpApi::State::exposition(std::string_view profiles) const {
  if (!sources.expose || profiles == "tocsin") {
    HttpReply out = json_reply(sources.metrics_text());
    out.content_type = "text/plain; version=0.0.4; charset=utf-8";
    return out;
  }
  auto exposed = sources.expose(profiles);
  if (!exposed) return problem(exposed.error());
  HttpReply out = json_reply(std::move(exposed->text));
  out.content_type = std::move(exposed->content_type);
  return out;
}

void HttpApi::State::metrics(const HttpRequest& request, std::string_view, const Query& query,
                             const Reply& reply) {
  if (auto ok = may_read_metrics(request); !ok) return reply(problem(ok.error()));
  const std::string* profile = find(query, "profile");
  reply(exposition(profile != nullptr ? *profile : config.exposition.profile));
}

void HttpApi::State::websocket_metrics(const HttpRequest& request, std::string_view, const Query& query,
                                       const Reply& reply) {
  if (auto ok = may_read_metrics(request); !ok) return reply(problem(ok.error()));
  const std::string* format = find(query, "format");
  reply(exposition(format != nullptr && *format == "json" ? "vedfolnir-json" : "vedfolnir"));
}

/// What concerns the whole cluster is for operators.
Status HttpApi::State::may_monitor(const HttpRequest& request) const {
  if (admin == nullptr) return Error{Errc::forbidden, "this edge has no operators yet"};
  const auto asker = admin->admit(request, request.path, auth::Role::viewer);
  return asker ? Status(Done{}) : Status(asker.error());
}

Status HttpApi::State::may_read_metrics(const HttpRequest& request) const {
  return config.exposition.access == MetricsAccess::open ? Status(Done{}) : may_monitor(request);
}

void HttpApi::State::figures(const HttpRequest& request, std::string_view, const Query&, const Reply& reply) {
  if (auto ok = may_monitor(request); !ok) return reply(problem(ok.error()));
  const auto now = clock.wall_ms();
  reply(json_reply(cluster_figures(broker.edges(), broker.traffic(), now, local_day(now))));
}

void HttpApi::State::connections(const HttpRequest& request, std::string_view, const Query&,
                                 const Reply& reply) {
  if (auto ok = may_monitor(request); !ok) return reply(problem(ok.error()));
  reply(json_reply(active_connections(broker.edges())));
}

std::shared_ptr<Publishing> HttpApi::State::publishing(const HttpRequest& request, const Query& query,
                                                       Reply reply) const {
  const bool lines = request.content_type.find("ndjson") != std::string::npos ||
                     request.content_type.find("jsonl") != std::string::npos;
  const auto channel = channel_of(query);
  if (!channel) {
    reply(problem(channel.error()));
    return nullptr;
  }
  Publishing::Limits bounds{static_cast<std::size_t>(config.body_max_bytes), kMaxResultBytes, {}, {}, {}, {}};
  if (!config.trace.endpoint.empty() && config.trace.join)
    bounds.trace = trace::parse_traceparent(request.traceparent);
  std::string subject;
  std::string tenant;
  if (gate != nullptr) {
    auto principal = gate->admit(request.token);
    if (!principal) {
      reply(problem(refused(request, "publish", principal.error(), *channel)));
      return nullptr;
    }
    subject = (*principal)->subject;
    tenant = (*principal)->tenant;
    bounds.within = to_json((*principal)->rows);
    bounds.permit = [checks = gate, holder = *principal, from = request.from](std::string_view to) -> Status {
      if (auto good = checks->still_good(*holder); !good) return good;  // a long body may outlast its token
      if (holder->permissions.allow(auth::Action::publish, to)) return Done{};
      Error error = checks->forbidden(auth::Action::publish, to);
      log::audit({.action = "publish",
                  .outcome = describe(error.code).name,
                  .who = holder->subject,
                  .from = from.text(),
                  .what = to,
                  .why = error.detail});
      return error;
    };
  }
  if (limits != nullptr && limits->meters())
    bounds.spend = [all = limits, from = request.from, subject, tenant](std::size_t bytes) -> Status {
      if (auto over = all->publish(from, subject, tenant, bytes))
        return Error{Errc::too_many, std::move(over->text)};
      return Done{};
    };
  return std::make_shared<Publishing>(broker, lines ? Publishing::Form::lines : Publishing::Form::single,
                                      *channel, std::move(bounds), std::move(reply));
}

void HttpApi::State::publish(const HttpRequest& request, std::string_view, const Query& query,
                             const Reply& reply) {
  const auto publishing = this->publishing(request, query, reply);
  if (publishing != nullptr && publishing->feed(request.body)) publishing->finish();
}

void HttpApi::State::incidents(const HttpRequest& request, std::string_view, const Query& query,
                               const Reply& reply) {
  const auto channel = channel_of(query);
  if (!channel) return reply(problem(channel.error()));
  auto reader = reader_of(request, *channel);
  if (reader.refusal) return reply(*std::move(reader.refusal));
  auto filter = filter_of(query);
  if (!filter) return reply(problem(filter.error()));
  filter->within = std::move(reader.rows);
  const auto limit = number_of(query, "limit", 100);
  if (!limit) return reply(problem(limit.error()));
  if (*limit == 0 || *limit > kMaxIncidents)
    return reply(
        problem({Errc::invalid_argument, "\"limit\" must be 1 to " + std::to_string(kMaxIncidents)}));
  const std::string* cursor = find(query, "cursor");
  link::ListIncidents list;
  list.channel = *channel;
  list.filter = filter->canonical();
  list.cursor = cursor != nullptr ? *cursor : "";
  list.limit = static_cast<std::uint32_t>(*limit);
  if (filter->within.empty())
    return broker.list_incidents(std::move(list), answering<link::IncidentsPage>(reply, incidents_reply));
  std::make_shared<RowListing>(broker, std::move(list), std::move(filter->within),
                               answering<link::IncidentsPage>(reply, incidents_reply))
      ->ask();
}

void HttpApi::State::incident(const HttpRequest& request, std::string_view id, const Query& query,
                              const Reply& reply) {
  const auto key = percent_decode(id, Plus::literal);
  if (!key || key->empty() || key->size() > kMaxKey)
    return reply(problem({Errc::invalid_argument, "the incident's id in the path is not valid"}));
  link::GetIncident get;
  get.key = *key;
  if (find(query, "channel") != nullptr) {
    const auto channel = channel_of(query);
    if (!channel) return reply(problem(channel.error()));
    get.channel = *channel;
  } else if (gate != nullptr) {
    const auto principal = gate->admit(request.token);
    if (!principal) return reply(problem(refused(request, "read", principal.error(), request.path)));
    // Who may not read every channel has only this one searched.
    if (!(*principal)->permissions.allow_all(auth::Action::subscribe)) get.channel = kDefaultChannel;
  }
  auto reader = reader_of(request, get.channel.empty() ? kDefaultChannel : std::string_view(get.channel));
  if (reader.refusal) return reply(*std::move(reader.refusal));
  broker.get_incident(
      std::move(get), answering<link::IncidentsPage>(reply, [key = *key, rows = std::move(reader.rows)](
                                                                const link::IncidentsPage& page) {
        // One that may not be seen is answered as one that is not there.
        if (page.incidents.empty() || !inside(rows, facts_of_incident(key, page.incidents.front().json)))
          return problem({Errc::not_found, "incident " + key});
        return json_reply(page.incidents.front().json);
      }));
}

void HttpApi::State::channel(const HttpRequest& request, std::string_view rest, const Query& query,
                             const Reply& reply) {
  constexpr std::string_view kUpdates = "/updates";
  const bool catch_up = rest.ends_with(kUpdates);
  if (catch_up) rest.remove_suffix(kUpdates.size());
  const auto name = percent_decode(rest, Plus::literal);
  if (!name) return reply(problem({Errc::invalid_argument, "the channel's name in the path is not valid"}));
  if (auto ok = check_channel_name(*name); !ok) return reply(problem(ok.error()));
  auto reader = reader_of(request, *name);
  if (reader.refusal) return reply(*std::move(reader.refusal));
  if (catch_up) return updates(*name, query, std::move(reader.rows), reply);
  broker.get_channel(*name, answering<link::ChannelInfo>(reply, [](const link::ChannelInfo& info) {
    return json_reply("{" + head_members(info.head) + "}");
  }));
}

void HttpApi::State::updates(const std::string& name, const Query& query, Constraints rows,
                             const Reply& reply) {
  const auto after = number_of(query, "after", 0);
  if (!after) return reply(problem(after.error()));
  const auto limit = number_of(query, "limit", 100);
  if (!limit) return reply(problem(limit.error()));
  if (*limit == 0 || *limit > kMaxUpdates)
    return reply(problem({Errc::invalid_argument, "\"limit\" must be 1 to " + std::to_string(kMaxUpdates)}));
  const auto page = answering<link::ReadResult>(
      reply, [limit = *limit, after = *after, rows = std::move(rows)](const link::ReadResult& read) {
        auto made = updates_reply(read, {after, limit}, rows);
        return made ? *std::move(made) : problem(made.error());
      });
  if (const std::string* text = find(query, "epoch"); text != nullptr && !text->empty()) {
    const auto epoch = parse_epoch(*text);
    if (!epoch) return reply(problem(epoch.error()));
    return broker.read(name, {*epoch, *after}, kPageBytes, page);
  }
  // Without an epoch the current one is meant: ask for it first.
  broker.get_channel(name, [this, name, after = *after, page, reply](Result<link::ChannelInfo> info) {
    if (!info) return reply(problem(info.error()));
    if (!info->fault.ok()) return reply(problem(link::error_of(info->fault)));
    broker.read(name, {info->head.epoch, after}, kPageBytes, page);
  });
}

HttpApi::HttpApi(const Config& config, const Clock& clock, BrokerPort& broker, Sources sources)
    : state_(new State{.config = config, .clock = clock, .broker = broker, .sources = std::move(sources)}) {}
HttpApi::~HttpApi() = default;

void HttpApi::guard(const Gate& gate) noexcept { state_->gate = gate.open() ? nullptr : &gate; }

void HttpApi::limit(Limits& limits) noexcept { state_->limits = &limits; }

void HttpApi::attach(Admin admin) {
  state_->admin = std::make_unique<AdminApi>(state_->config, state_->clock, state_->broker, std::move(admin));
  if (state_->gate != nullptr) state_->admin->guard(*state_->gate);
}

void HttpApi::handle(const HttpRequest& request, Reply reply) {
  if (std::string_view path = request.path; state_->admin != nullptr && cut(path, "/admin/"))
    return path == "revoke" ? state_->admin->revoke(request, std::move(reply))
                            : reply(state_->admin->handle(request, path));
  const bool reads = request.method == "GET" || request.method == "HEAD";
  if (const auto kind = state_->health.kind_of(request.path); kind != Health::Kind::none) {
    if (reads) return reply(state_->health.reply(kind, wants_details(request.query)));
    HttpReply refused = problem({Errc::method_not_allowed, "the path takes GET, HEAD"});
    refused.headers.emplace_back("allow", "GET, HEAD");
    return reply(std::move(refused));
  }
  for (const auto& route : State::kRoutes) {
    std::string_view rest = request.path;
    if (!cut(rest, route.prefix) || (route.exact && !rest.empty())) continue;
    if (route.reads ? !reads : request.method != "POST") {
      HttpReply refused =
          problem({Errc::method_not_allowed,
                   std::string("the path takes ") +
                       (route.reads ? "GET, HEAD" : "POST")});  // no echo: the path may be no UTF-8
      refused.headers.emplace_back("allow", route.reads ? "GET, HEAD" : "POST");
      return reply(std::move(refused));
    }
    const auto query = parse_query(request.query);
    if (!query) return reply(problem(query.error()));
    return (state_.get()->*route.handler)(request, rest, *query, reply);
  }
  reply(problem(
      {Errc::not_found,
       "no such path; see / (a board), /v1/incidents, /v1/updates, /v1/channels/NAME, /v1/stream, /v1/events, /health, /metrics"}));
}

bool HttpApi::is_health(std::string_view path) const {
  return state_->health.kind_of(path) != Health::Kind::none;
}

bool HttpApi::takes_upload(const HttpRequest& request) const {
  return request.method == "POST" && request.path == "/v1/updates";
}

std::unique_ptr<Upload> HttpApi::upload(const HttpRequest& request, Reply reply) {
  const auto query = parse_query(request.query);
  if (!query) {
    reply(problem(query.error()));
    return nullptr;
  }
  auto publishing = state_->publishing(request, *query, std::move(reply));
  if (publishing == nullptr) return nullptr;
  return std::make_unique<PublishUpload>(std::move(publishing));
}

}  // namespace tocsin::edge
