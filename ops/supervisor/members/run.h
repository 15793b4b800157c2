#pragma once
// The supervisor of edges that others run, from its settings to its exit code. Start-up.
#include "common/config/reload.h"
#include "ops/supervisor/config.h"

namespace tocsin::ops::members {

/// Until SIGTERM or SIGINT; SIGHUP reads the settings again. Errors are said on stderr.
[[nodiscard]] int run(config::Reload<Config>& reload);

}  // namespace tocsin::ops::members
