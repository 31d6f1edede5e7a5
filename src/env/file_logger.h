// FileLogger: the LOG file that people read and grep.

#pragma once

#include <memory>
#include <string>

#include "paceline/env.h"

#include "src/base/sync.h"

namespace paceline {

// Writes "YYYY/MM/DD-hh:mm:ss.micros (UTC) message" lines. A failure to write
// one is ignored: the log must not get in the way of the data, and a disk that
// is full has room again some time. Thread-safe.
class FileLogger final : public Logger {
 public:
  FileLogger(std::unique_ptr<WritableFile> file, Clock* clock);
  ~FileLogger() override;

  void Logv(const char* format, va_list arguments) override EXCLUDES(mutex_);

 private:
  Clock* const clock_;
  Mutex mutex_;
  const std::unique_ptr<WritableFile> file_ PT_GUARDED_BY(mutex_);
  bool has_failed_ GUARDED_BY(mutex_) = false;  // At the last line.
};

// One message; nothing if `logger` is null.
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void Log(Logger* logger, const char* format, ...);

}  // namespace paceline
