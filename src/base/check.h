// PL_CHECK: an invariant of our own that must hold in every build. PL_DCHECK:
// the same where a check in release would cost too much.

#pragma once

#include <cstdio>
#include <cstdlib>

namespace paceline {

[[noreturn]] inline void CheckFailed(const char* file, int line,
                                     const char* condition) {
  std::fprintf(stderr, "%s:%d: broken invariant: %s\n", file, line, condition);
  std::abort();
}

}  // namespace paceline

#define PL_CHECK(condition)     \
  (static_cast<bool>(condition) \
       ? static_cast<void>(0)   \
       : ::paceline::CheckFailed(__FILE__, __LINE__, #condition))

#ifdef NDEBUG
#define PL_DCHECK(condition) static_cast<void>(0)
#else
#define PL_DCHECK(condition) PL_CHECK(condition)
#endif
