// How much work a repeated test does: less in a sanitizer build, which is
// several times slower, and any amount by an environment variable.

#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>

namespace paceline {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kIsSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kIsSanitized = true;
#else
inline constexpr bool kIsSanitized = false;
#endif
#else
inline constexpr bool kIsSanitized = false;
#endif

// The number in the environment variable `variable`; without it `normal`, or
// `sanitized` in a sanitizer build.
inline uint64_t Effort(const char* variable, uint64_t normal,
                       uint64_t sanitized) {
  if (const char* text = std::getenv(variable); text != nullptr) {
    return std::strtoull(text, nullptr, 10);
  }
  return kIsSanitized ? sanitized : normal;
}

}  // namespace paceline
