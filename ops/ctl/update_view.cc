#include "ops/ctl/update_view.h"

#include <array>

namespace tocsin::ops {
namespace {

constexpr std::size_t kTitleWidth = 60;

std::string_view text_of(const json::Value& object, std::string_view name) {
  const json::Value* member = json::find(object, name);
  return member != nullptr && member->IsString() ? json::view(*member) : std::string_view{};
}

std::string_view colour_of(std::string_view word) {
  struct Row {
    std::string_view word, code;
  };
  constexpr auto kRows = std::to_array<Row>({
      {"P0", "\x1b[1;97;41m"},
      {"P1", "\x1b[1;31m"},
      {"P2", "\x1b[33m"},
      {"P3", "\x1b[36m"},
      {"P4", "\x1b[2m"},
      {"resolved", "\x1b[32m"},
      {"closed", "\x1b[2m"},
      {"detected", "\x1b[1m"},
      {"escalated", "\x1b[1;31m"},
  });
  for (const Row& row : kRows)
    if (row.word == word) return row.code;
  return {};
}

std::string cell(std::string_view text, std::size_t width, Colour colour) {
  std::string out = printable(text, width);
  const std::size_t shown = out.size();
  const auto code = colour == Colour::on ? colour_of(text) : std::string_view{};
  if (!code.empty()) out = std::string(code) + out + "\x1b[0m";
  if (shown < width) out.append(width - shown, ' ');
  return out + "  ";
}

std::string tail_of(const json::Value& incident, Colour colour) {
  std::string out = printable(text_of(incident, "title"), kTitleWidth);
  const auto team = text_of(incident, "team");
  if (!team.empty())
    out += (colour == Colour::on ? "  \x1b[2m(" : "  (") + printable(team, 30) +
           (colour == Colour::on ? ")\x1b[0m" : ")");
  return out;
}

std::string clock_of(std::string_view at) {
  return at.size() >= 19 ? std::string(at.substr(11, 8)) : std::string("        ");
}

}  // namespace

std::string printable(std::string_view text, std::size_t width) {
  std::string out;
  std::size_t characters = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const bool starts = (c & 0xC0) != 0x80;
    if (starts && characters++ == width) return out + "…";
    const bool c1_control =
        c == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (c < 0x20 || c == 0x7F)
      out += '?';
    else if (c1_control) {
      out += '?';
      ++i;
    } else
      out += text[i];
  }
  return out;
}

std::string update_line(const json::Value& frame, Colour colour) {
  const json::Value* offset = json::find(frame, "offset");
  std::string out = clock_of(text_of(frame, "at")) + "  ";
  out += cell("#" + (offset != nullptr && offset->IsUint64() ? std::to_string(offset->GetUint64())
                                                             : std::string("?")),
              8, colour);
  const json::Value* incident = json::find(frame, "incident");
  const auto key = text_of(frame, "key");
  if (incident == nullptr || !incident->IsObject()) {
    const json::Value* event = json::find(frame, "event");
    out += cell(text_of(frame, "kind"), 14, colour) + printable(key, 24);
    if (event != nullptr) out += "  " + printable(json::text(*event), kTitleWidth * 2);
    return out;
  }
  out += cell(text_of(*incident, "severity"), 2, colour) + cell(text_of(*incident, "status"), 13, colour);
  out +=
      cell(text_of(frame, "kind"), 13, Colour::off) + cell(key, 16, Colour::off) + tail_of(*incident, colour);
  const auto actor = text_of(frame, "actor");
  return actor.empty() ? out : out + "  by " + printable(actor, 30);
}

std::string incident_line(const json::Value& incident, Colour colour) {
  std::string out =
      cell(text_of(incident, "severity"), 2, colour) + cell(text_of(incident, "status"), 13, colour);
  out +=
      cell(text_of(incident, "id"), 16, Colour::off) + printable(text_of(incident, "updated_at"), 24) + "  ";
  return out + tail_of(incident, colour);
}

}  // namespace tocsin::ops
