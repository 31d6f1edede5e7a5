#include "cli/record_reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iterator>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "cli/text.h"
#include "src/base/check.h"

namespace paceline::cli {
namespace {

// One read call; a page cache copy of this size takes far longer than a
// system call.
constexpr size_t kReadBytes = size_t{256} << 10;

constexpr const char* kBadEscape =
    "a backslash begins no escape (known are \\t \\n \\r \\\\ \\xHH)";

const char* ParseTsv(std::string_view line, Record* record) {
  size_t tab = line.find('\t');
  if (tab == std::string_view::npos) return "no TAB between key and value";
  if (!Unescape(line.substr(0, tab), &record->key) ||
      !Unescape(line.substr(tab + 1), &record->value)) {
    return kBadEscape;
  }
  return nullptr;
}

// The bytes of member `name`, or of `name`_hex.
std::optional<std::string> Member(const nlohmann::json& object,
                                  const std::string& name) {
  auto text = object.find(name);
  auto hex = object.find(name + "_hex");
  bool has_text = text != object.end();
  bool has_hex = hex != object.end();
  if (has_text == has_hex) return std::nullopt;
  if (has_text && text->is_string()) return text->get<std::string>();
  if (has_hex && hex->is_string()) {
    return ParseHex(hex->get_ref<const std::string&>());
  }
  return std::nullopt;
}

const char* ParseJsonl(std::string_view line, Record* record) {
  auto object = nlohmann::json::parse(line, /*cb=*/nullptr,
                                      /*allow_exceptions=*/false);
  if (object.is_discarded()) return "not JSON";
  if (!object.is_object()) return "not a JSON object";
  auto key = Member(object, "key");
  if (!key) return "no string \"key\" (or hexadecimal \"key_hex\")";
  auto value = Member(object, "value");
  if (!value) return "no string \"value\" (or hexadecimal \"value_hex\")";
  record->key = std::move(*key);
  record->value = std::move(*value);
  return nullptr;
}

}  // namespace

const char* ParseRecord(RecordFormat format, std::string_view line,
                        Record* record) {
  return format == RecordFormat::kTsv ? ParseTsv(line, record)
                                      : ParseJsonl(line, record);
}

RecordReader::RecordReader(std::vector<std::string> files, RecordFormat format,
                           std::function<void()> before_read)
    : files_(std::move(files)),
      format_(format),
      before_read_(std::move(before_read)),
      // If there is none left, -1, which poll() passes over.
      interrupt_descriptor_(::eventfd(0, EFD_CLOEXEC)),
      buffer_(kReadBytes) {}

RecordReader::~RecordReader() {
  CloseFile();
  if (interrupt_descriptor_ >= 0) ::close(interrupt_descriptor_);
}

void RecordReader::Interrupt() {
  const uint64_t one = 1;
  (void)!::write(interrupt_descriptor_, &one, sizeof(one));
}

bool RecordReader::WaitForInput() {
  pollfd waits[] = {
      {.fd = descriptor_, .events = POLLIN, .revents = 0},
      {.fd = interrupt_descriptor_, .events = POLLIN, .revents = 0}};
  while (::poll(waits, std::size(waits), /*timeout=*/-1) < 0) {
    PL_CHECK(errno == EINTR);
  }
  return waits[1].revents == 0;
}

RecordReader::Outcome RecordReader::Next() {
  for (;;) {
    if (descriptor_ < 0) {
      if (next_file_ == files_.size()) return Outcome::kEnd;
      if (!OpenNextFile()) return Outcome::kFailed;
    }
    std::string_view line;
    switch (NextLine(&line)) {
      case LineOutcome::kFailed:
        return Outcome::kFailed;
      case LineOutcome::kEndOfFile:
        CloseFile();
        continue;
      case LineOutcome::kLine:
        break;
    }
    ++line_number_;
    const char* problem = ParseRecord(format_, line, &record_);
    if (problem == nullptr) return Outcome::kRecord;
    status_ = Status::InvalidArgument(
        fmt::format("{}:{}: {}", FileName(), line_number_, problem));
    return Outcome::kBadLine;
  }
}

RecordReader::LineOutcome RecordReader::NextLine(std::string_view* line) {
  size_t searched = 0;  // No LF in this many bytes from begin_.
  for (;;) {
    std::string_view unread(buffer_.data() + begin_, end_ - begin_);
    size_t length = unread.find('\n', searched);
    if (length != std::string_view::npos) {
      *line = unread.substr(0, length);
      begin_ += length + 1;
      return LineOutcome::kLine;
    }
    if (at_end_of_file_) {
      if (unread.empty()) return LineOutcome::kEndOfFile;
      *line = unread;
      begin_ = end_;
      return LineOutcome::kLine;
    }
    searched = unread.size();
    if (!FillBuffer()) return LineOutcome::kFailed;
  }
}

bool RecordReader::FillBuffer() {
  std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  // Doubling keeps the copying of a very long line linear.
  if (buffer_.size() - end_ < kReadBytes) buffer_.resize(buffer_.size() * 2);
  before_read_();
  if (!WaitForInput()) {
    next_file_ = files_.size();
    begin_ = end_ = 0;
    at_end_of_file_ = true;
    return true;
  }
  ssize_t n;
  do {
    n = ::read(descriptor_, buffer_.data() + end_, kReadBytes);
  } while (n < 0 && errno == EINTR);
  if (n < 0) {
    status_ = Status::IOError(FileName(), std::strerror(errno));
    return false;
  }
  at_end_of_file_ = n == 0;
  end_ += static_cast<size_t>(n);
  bytes_read_.fetch_add(static_cast<uint64_t>(n), std::memory_order_relaxed);
  return true;
}

bool RecordReader::OpenNextFile() {
  const std::string& file = files_[next_file_++];
  descriptor_ = file == kStandardInput
                    ? ::dup(STDIN_FILENO)
                    : ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor_ < 0) {
    status_ = Status::IOError(FileName(), std::strerror(errno));
    return false;
  }
  line_number_ = 0;
  at_end_of_file_ = false;
  begin_ = end_ = 0;
  return true;
}

void RecordReader::CloseFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

std::string RecordReader::FileName() const {
  const std::string& file = files_[next_file_ - 1];
  return file == kStandardInput ? "standard input" : file;
}

}  // namespace paceline::cli
