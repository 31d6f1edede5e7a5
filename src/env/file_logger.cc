#include "src/env/file_logger.h"

#include <cstdio>
#include <ctime>
#include <utility>

namespace paceline {

FileLogger::FileLogger(std::unique_ptr<WritableFile> file, Clock* clock)
    : clock_(clock), file_(std::move(file)) {}

FileLogger::~FileLogger() {
  MutexLock lock(&mutex_);
  Status ignored = file_->Close();
  static_cast<void>(ignored);
}

void FileLogger::Logv(const char* format, va_list arguments) {
  uint64_t now = clock_->NowMicros();
  auto seconds = static_cast<time_t>(now / 1'000'000);
  tm utc{};
  gmtime_r(&seconds, &utc);
  char stamp[64];
  std::snprintf(stamp, sizeof(stamp), "%04d/%02d/%02d-%02d:%02d:%02d.%06d ",
                utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour,
                utc.tm_min, utc.tm_sec, static_cast<int>(now % 1'000'000));
  // Longer messages are cut: no message of ours comes near.
  char message[2048];
  std::vsnprintf(message, sizeof(message), format, arguments);
  std::string line = stamp;
  line += message;
  line += '\n';

  MutexLock lock(&mutex_);
  // Part of the last line may be there.
  if (has_failed_) line.insert(0, 1, '\n');
  has_failed_ = !file_->Append(Slice(line)).ok();
}

void Log(Logger* logger, const char* format, ...) {
  if (logger == nullptr) return;
  va_list arguments;
  va_start(arguments, format);
  logger->Logv(format, arguments);
  va_end(arguments);
}

}  // namespace paceline
