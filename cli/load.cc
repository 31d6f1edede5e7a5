#include "cli/load.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "paceline/db.h"
#include "paceline/env.h"
#include "paceline/metrics.h"

#include "cli/batch_queue.h"
#include "cli/database.h"
#include "cli/load_summary.h"
#include "cli/progress.h"
#include "src/base/error_latch.h"
#include "src/base/histogram.h"
#include "src/base/sync.h"

namespace paceline::cli {
namespace {

// Later bad lines are only counted: they are not what somebody reads.
constexpr uint64_t kBadLinesReported = 20;

// Enough that waking a writer for them is a small part of the work, and few
// enough that a small input still keeps several writers busy.
constexpr uint64_t kChunkRecords = 16;

// So that a wrong name is found before anything is made. The sum of the
// sizes, or nothing if a file is a pipe or the like.
StatusOr<std::optional<uint64_t>> CheckFiles(
    const std::vector<std::string>& files) {
  std::optional<uint64_t> total = 0;
  for (const std::string& file : files) {
    struct stat status {};
    int result = file == kStandardInput ? ::fstat(STDIN_FILENO, &status)
                                        : ::stat(file.c_str(), &status);
    if (result == 0 && file != kStandardInput) {
      result = ::access(file.c_str(), R_OK);
    }
    if (result != 0) return Status::IOError(file, std::strerror(errno));
    if (S_ISDIR(status.st_mode)) {
      return Status::IOError(file, "is a directory");
    }
    if (!S_ISREG(status.st_mode)) total.reset();
    if (total) *total += static_cast<uint64_t>(status.st_size);
  }
  return total;
}

// One run of the command. The thread that calls Run() reads.
class Loader {
 public:
  Loader(const LoadOptions& options, std::optional<uint64_t> input_bytes,
         DB* db, ColumnFamilyHandle* family)
      : options_(options),
        input_bytes_(input_bytes),
        db_(db),
        family_(family),
        reader_(options.files, options.format, [this] { PushChunk(); }),
        // A writer that comes back finds its next chunk ready.
        queue_(2 * static_cast<size_t>(options.threads)) {}

  // Fills `*summary` whatever happens.
  Status Run(LoadSummary* summary);

 private:
  Status ReadAll(Progress* progress);
  Status AddRecord(const Record& record, NumberedBatch* batch);
  // Counts a bad line and reports it, or returns it if it ends the load.
  Status HandleBadLine(Progress* progress);
  // Puts the batch behind chunk_ and leaves it empty.
  void FinishBatch(NumberedBatch* batch);
  // Leaves chunk_ empty.
  void PushChunk();
  // A writer's thread.
  void WriteAll(Histogram* commit_nanos);
  Status CommitBatch(NumberedBatch* batch, Histogram* commit_nanos);
  [[nodiscard]] ProgressSample Sample() const;

  const LoadOptions& options_;
  const std::optional<uint64_t> input_bytes_;
  DB* const db_;
  ColumnFamilyHandle* const family_;
  RecordReader reader_;
  BatchQueue queue_;
  // Used by the reader only.
  BatchChunk chunk_;
  uint64_t records_read_ = 0;
  uint64_t bad_lines_ = 0;
  ErrorLatch write_error_;
  // Counts for people: relaxed, they order nothing.
  Atomic<uint64_t> records_ = 0;
  Atomic<uint64_t> record_bytes_ = 0;
  Atomic<uint64_t> commits_ = 0;
};

Status Loader::Run(LoadSummary* summary) {
  Metrics before = db_->GetMetrics();
  uint64_t start_nanos = Clock::Default()->MonotonicNanos();
  auto threads = static_cast<size_t>(options_.threads);
  std::vector<Histogram> histograms(threads);
  Status s;
  {
    Progress progress(LoadLine([this] { return Sample(); }));
    std::vector<Thread> writers;
    for (Histogram& histogram : histograms) {
      writers.emplace_back([this, &histogram] { WriteAll(&histogram); });
    }
    s = ReadAll(&progress);
    queue_.Close();
    for (Thread& writer : writers) writer.join();
  }
  uint64_t end_nanos = Clock::Default()->MonotonicNanos();
  Metrics after = db_->GetMetrics();

  summary->records = records_;
  summary->record_bytes = record_bytes_;
  summary->bad_lines = bad_lines_;
  summary->commits = commits_;
  summary->groups = after.groups - before.groups;
  summary->wal_syncs = after.wal_syncs - before.wal_syncs;
  for (const Histogram& h : histograms) summary->commit_nanos.Merge(h);
  summary->seconds = static_cast<double>(end_nanos - start_nanos) / 1e9;
  return write_error_.is_set() ? write_error_.Get() : s;
}

Status Loader::ReadAll(Progress* progress) {
  NumberedBatch batch;
  Status s;
  while (s.ok()) {
    RecordReader::Outcome outcome = reader_.Next();
    if (outcome == RecordReader::Outcome::kEnd) break;
    if (outcome == RecordReader::Outcome::kFailed) {
      s = reader_.status();
    } else if (outcome == RecordReader::Outcome::kBadLine) {
      s = HandleBadLine(progress);
    } else {
      s = AddRecord(reader_.record(), &batch);
      if (batch.batch.Count() >= options_.batch) FinishBatch(&batch);
    }
    // Nobody would take it.
    if (write_error_.is_set()) return s;
  }
  // What comes before an error in the input is loaded, so that the outcome is
  // the same every time.
  FinishBatch(&batch);
  PushChunk();
  return s;
}

Status Loader::AddRecord(const Record& record, NumberedBatch* batch) {
  Status s = batch->batch.Put(family_, record.key, record.value);
  if (!s.ok()) return s;
  ++records_read_;
  batch->record_bytes += record.key.size() + record.value.size();
  return s;
}

Status Loader::HandleBadLine(Progress* progress) {
  ++bad_lines_;
  if (!options_.skip_bad) return reader_.status();
  if (bad_lines_ <= kBadLinesReported) {
    progress->PrintMessage(
        fmt::format("skipped {}", reader_.status().message()));
  }
  if (bad_lines_ == kBadLinesReported) {
    progress->PrintMessage("further bad lines are only counted");
  }
  return Status::OK();
}

void Loader::FinishBatch(NumberedBatch* batch) {
  uint32_t count = batch->batch.Count();
  if (count == 0) return;
  batch->first_record = records_read_ - count + 1;
  batch->last_record = records_read_;
  chunk_.bytes += batch->batch.GetDataSize();
  chunk_.batches.push_back(std::exchange(*batch, NumberedBatch()));
  if (chunk_.batches.size() * options_.batch >= kChunkRecords) PushChunk();
}

void Loader::PushChunk() {
  if (chunk_.batches.empty()) return;
  // False only after a write error, which ReadAll() sees itself.
  (void)queue_.Push(std::exchange(chunk_, BatchChunk()));
}

void Loader::WriteAll(Histogram* commit_nanos) {
  BatchChunk chunk;
  while (queue_.Pop(&chunk)) {
    for (NumberedBatch& batch : chunk.batches) {
      if (write_error_.is_set()) return;
      Status s = CommitBatch(&batch, commit_nanos);
      if (s.ok()) continue;
      (void)write_error_.Set(s);
      queue_.Cancel();
      reader_.Interrupt();
    }
  }
}

Status Loader::CommitBatch(NumberedBatch* batch, Histogram* commit_nanos) {
  Clock* clock = Clock::Default();
  uint64_t start_nanos = clock->MonotonicNanos();
  Status s = db_->Write({.sync = options_.sync}, &batch->batch);
  if (!s.ok()) return s;
  commit_nanos->Add(clock->MonotonicNanos() - start_nanos);
  commits_.fetch_add(1, std::memory_order_relaxed);
  records_.fetch_add(batch->batch.Count(), std::memory_order_relaxed);
  record_bytes_.fetch_add(batch->record_bytes, std::memory_order_relaxed);
  if (!options_.print_acks) return s;
  // Far below PIPE_BUF: a reader never sees two lines mixed up.
  return WriteFully(STDOUT_FILENO, fmt::format("{}-{}\n", batch->first_record,
                                               batch->last_record));
}

ProgressSample Loader::Sample() const {
  return {.records = records_.load(std::memory_order_relaxed),
          .record_bytes = record_bytes_.load(std::memory_order_relaxed),
          .commits = commits_.load(std::memory_order_relaxed),
          .groups = db_->GetMetrics().groups,
          .input_bytes_read = reader_.bytes_read(),
          .input_bytes_total = input_bytes_};
}

}  // namespace

Status Load(const LoadOptions& options, Output* out) {
  auto input_bytes = CheckFiles(options.files);
  if (!input_bytes.ok()) return input_bytes.status();
  auto database =
      Database::OpenForWriting(options.directory, /*create_if_missing=*/true);
  if (!database.ok()) return database.status();
  auto family = (*database)->Family(options.column_family);
  if (!family.ok()) {
    Status s = (*database)->CreateFamily(options.column_family, {});
    if (!s.ok()) return s;
    family = (*database)->Family(options.column_family);
    if (!family.ok()) return family.status();
  }

  LoadSummary summary;
  Status s =
      Loader(options, *input_bytes, (*database)->db(), *family).Run(&summary);
  std::string text =
      options.json ? SummaryAsJson(summary) : SummaryAsText(summary);
  Status printed = options.print_acks ? WriteFully(STDERR_FILENO, text + "\n")
                                      : out->WriteLine(text);
  if (!s.ok()) return s;
  if (!printed.ok()) return printed;
  return (*database)->Close();
}

}  // namespace paceline::cli
