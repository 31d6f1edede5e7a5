// Which sanitizer the program is built with: PACELINE_ASAN is defined for
// AddressSanitizer, PACELINE_TSAN for ThreadSanitizer.

#pragma once

#if defined(__SANITIZE_ADDRESS__)
#define PACELINE_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PACELINE_ASAN
#endif
#endif

#if defined(__SANITIZE_THREAD__)
#define PACELINE_TSAN
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PACELINE_TSAN
#endif
#endif
