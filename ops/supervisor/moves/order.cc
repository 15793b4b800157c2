#include "ops/supervisor/moves/order.h"

#include <utility>

#include "common/json/members.h"
#include "ops/cluster/members.h"

namespace tocsin::ops {
namespace {

Status take_texts(const json::Value& from, std::string_view name, std::vector<std::string>& into) {
  const json::Value* list = json::find(from, name);
  if (list == nullptr || list->IsNull()) return Done{};
  if (!list->IsArray()) return json::bad_member(name, "must be a list of edges");
  for (const json::Value& item : list->GetArray()) {
    if (!item.IsString()) return json::bad_member(name, "must be a list of edges");
    into.emplace_back(json::view(item));
  }
  return Done{};
}

Status take_number(const json::Value& from, std::string_view name, std::uint64_t& into) {
  const auto number = json::uint_member(from, name);
  if (!number) return json::bad_member(name, "must be a whole number");
  into = number->value_or(into);
  return Done{};
}

}  // namespace

Result<Pace> parse_pace(const json::Value& value) {
  Pace pace;
  for (const auto& [name, list] :
       {std::pair{"targets", &pace.to}, {"to", &pace.to}, {"exclude", &pace.exclude}})
    if (auto ok = take_texts(value, name, *list); !ok) return ok.error();
  for (const auto& [name, number] :
       {std::pair{"batch", &pace.batch}, {"rate", &pace.rate}, {"deadline_ms", &pace.deadline_ms}})
    if (auto ok = take_number(value, name, *number); !ok) return ok.error();
  return pace;
}

std::string Order::to_json() const {
  std::string out;
  Members members(out);
  members.text("kind", to_text(kind)).text("edge", edge);
  if (count > 0) members.number("count", static_cast<std::int64_t>(count));
  members.texts("targets", pace.to).texts("exclude", pace.exclude);
  if (pace.batch > 0) members.number("batch", static_cast<std::int64_t>(pace.batch));
  if (pace.rate > 0) members.number("rate", static_cast<std::int64_t>(pace.rate));
  if (pace.deadline_ms > 0) members.number("deadline_ms", static_cast<std::int64_t>(pace.deadline_ms));
  if (kind == MoveKind::restart) members.raw("release", release.to_json());
  members.end();
  return out;
}

Result<Order> Order::parse(const json::Value& value) {
  Order order;
  const auto kind = json::string_member(value, "kind");
  if (!kind || !*kind) return json::bad_member("kind", "must be a string");
  bool known = false;
  for (std::size_t i = 0; i < kMoveKindNames.size(); ++i) {
    if (kMoveKindNames[i] != **kind) continue;
    order.kind = static_cast<MoveKind>(i);
    known = true;
  }
  if (!known) return json::bad_member("kind", "is none that this version knows");
  const auto edge = json::string_member(value, "edge");
  if (!edge) return edge.error();
  order.edge = edge->value_or("");
  if (auto ok = take_number(value, "count", order.count); !ok) return ok.error();
  auto pace = parse_pace(value);
  if (!pace) return pace.error();
  order.pace = *std::move(pace);
  if (order.kind != MoveKind::restart) return order;
  const json::Value* release = json::find(value, "release");
  if (release == nullptr) return json::bad_member("release", "is missing");
  auto parsed = Release::parse(*release);
  if (!parsed) return parsed.error();
  order.release = *std::move(parsed);
  return order;
}

}  // namespace tocsin::ops
