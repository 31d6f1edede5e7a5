#include "cli/output.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "cli/text.h"

namespace paceline::cli {

Status WriteFully(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t n = ::write(descriptor, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Status::IOError("standard output", std::strerror(errno));
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return Status::OK();
}

Status Output::Write(std::string_view bytes) {
  if (!status_.ok()) return status_;
  buffer_ += bytes;
  return buffer_.size() < kBufferBytes ? Status::OK() : Flush();
}

Status Output::WriteLine(std::string_view line) {
  if (Status s = Write(line); !s.ok()) return s;
  return Write("\n");
}

Status Output::Flush() {
  if (status_.ok()) status_ = WriteFully(descriptor_, buffer_);
  buffer_.clear();
  return status_;
}

bool Output::is_terminal() const { return IsTerminal(descriptor_); }

Status DamageFound(uint64_t places, const std::string& where) {
  if (places == 0) return Status::OK();
  return Status::Corruption(std::to_string(places) + " damaged " +
                            (places == 1 ? "place" : "places") + " in " +
                            where);
}

std::string ErrorLine(std::string_view text) {
  return "paceline: " + Printable(text) + "\n";
}

void PrintError(std::string_view text) {
  // There is nobody left to tell if this fails.
  (void)WriteFully(STDERR_FILENO, ErrorLine(text));
}

bool IsTerminal(int descriptor) { return ::isatty(descriptor) == 1; }

}  // namespace paceline::cli
