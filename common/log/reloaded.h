#pragma once
// The log lines of a reload, the same in every program: each row that changed with both values, the rows that
// wait for a restart, or the objection that kept everything as it was. Any thread.
#include <string_view>

#include "common/config/reload.h"

namespace tocsin::log {

/// `why` is what asked for it: "SIGHUP", "POST /admin/reload".
void reloaded(std::string_view why, const Result<config::Reloaded>& result);

}  // namespace tocsin::log
