#pragma once
// Tamper: the faults that sit on the wire between broker and edge: messages are decoded, changed and encoded
// again. Pure but for what each keeps in its closure. Thread: one.
#include "tests/sim/fault.h"
#include "tests/sim/wires.h"
#include "tests/sim/world.h"

namespace tocsin::sim {

/// Empty when the fault is not one of the wire's.
[[nodiscard]] Wires::Tamper tamper_of(Fault fault, Chance& chance);

}  // namespace tocsin::sim
