#include "tools/loadgen/roam/history.h"

namespace tocsin::loadgen::roam {
namespace {

std::ostream& begin(std::ostream& out, Name name) {
  return out << R"({"client":"r)" << name.client << R"(","conn":)" << name.socket << ",";
}

}  // namespace

History::History(const std::string& path) : out_(path) {
  out_ << R"({"e":"meta","all_publishers":true,"stable_epochs":true,"history_kept":true})" << '\n';
}

void History::opened(Name name) { begin(out_, name) << R"("e":"open"})" << '\n'; }
void History::closed(Name name) { begin(out_, name) << R"("e":"close"})" << '\n'; }
void History::sent(Name name, std::string_view frame) { begin(out_, name) << R"("sent":)" << frame << "}\n"; }
void History::received(Name name, std::string_view frame) {
  begin(out_, name) << R"("frame":)" << frame << "}\n";
}
void History::publishing(std::string_view update) {
  out_ << R"({"publisher":"p","e":"sent","update":)" << update << "}\n";
}
void History::acknowledged(std::string_view channel, std::string_view event_id, std::string_view position) {
  out_ << R"({"publisher":"p","e":"acked","channel":")" << channel << R"(","event_id":")" << event_id
       << R"(","position":)" << position << "}\n";
}
void History::settled() { out_ << R"({"e":"settled"})" << '\n'; }

}  // namespace tocsin::loadgen::roam
