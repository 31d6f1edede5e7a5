// NoLogger: forgets all messages.

#pragma once

#include <cstdarg>

#include "paceline/env.h"

namespace paceline {

// Where the LOG would take time, or space. Thread-safe.
class NoLogger final : public Logger {
 public:
  void Logv(const char* /*format*/, va_list /*arguments*/) override {}
};

}  // namespace paceline
