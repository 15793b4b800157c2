#pragma once
// The supervisor's life in Kubernetes, from its settings to its exit code: it starts no process, it watches
// pods. Blocking.
#include "ops/supervisor/config.h"

namespace tocsin::ops::k8s {

/// Returns when it was told to stop, when it cannot start, or when it lost the lease: whoever runs it starts
/// it again, then it stands by.
[[nodiscard]] int run(const Config& config);

}  // namespace tocsin::ops::k8s
