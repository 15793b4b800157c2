#include "common/version.h"

namespace tocsin {

std::string_view version() noexcept { return TOCSIN_VERSION; }

}  // namespace tocsin
