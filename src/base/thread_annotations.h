// The attributes of clang's thread-safety analysis; nothing under other
// compilers.

#pragma once

#if defined(__clang__)
#define PL_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define PL_THREAD_ATTRIBUTE(x)
#endif

#define CAPABILITY(x) PL_THREAD_ATTRIBUTE(capability(x))
#define SCOPED_CAPABILITY PL_THREAD_ATTRIBUTE(scoped_lockable)
#define GUARDED_BY(x) PL_THREAD_ATTRIBUTE(guarded_by(x))
#define PT_GUARDED_BY(x) PL_THREAD_ATTRIBUTE(pt_guarded_by(x))
#define REQUIRES(...) PL_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) PL_THREAD_ATTRIBUTE(locks_excluded(__VA_ARGS__))
#define ACQUIRE(...) PL_THREAD_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define RELEASE(...) PL_THREAD_ATTRIBUTE(release_capability(__VA_ARGS__))
#define TRY_ACQUIRE(...) \
  PL_THREAD_ATTRIBUTE(try_acquire_capability(__VA_ARGS__))
#define ASSERT_CAPABILITY(x) PL_THREAD_ATTRIBUTE(assert_capability(x))
#define NO_THREAD_SAFETY_ANALYSIS PL_THREAD_ATTRIBUTE(no_thread_safety_analysis)
