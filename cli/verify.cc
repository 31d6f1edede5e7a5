#include "cli/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "paceline/env.h"

#include "cli/database.h"
#include "cli/progress.h"
#include "cli/text.h"
#include "src/base/sync.h"
#include "src/db/inspection.h"
#include "src/format/batch_reader.h"

namespace paceline::cli {
namespace {

using Json = nlohmann::ordered_json;

// One Verify() call.
class DatabaseVerifier {
 public:
  DatabaseVerifier(const VerifyOptions& options, Output* out)
      : options_(options), out_(out) {}

  Status Run();

 private:
  Status CheckFiles();
  Status CheckTable(const TableInfo& table);
  // False if another process has removed it meanwhile.
  [[nodiscard]] StatusOr<bool> IsStillNamed(const TableInfo& table) const;
  Status CheckManifestEnd();
  Status CheckWals(const std::vector<WalFile>& wals);
  void Report(std::string_view damage);
  // The same for what Paceline does not know: it may be right.
  void ReportUnknown(std::string_view what);
  void PrintFinding(const char* kind, std::string_view what);
  [[nodiscard]] std::string ProgressText(size_t width) const;
  Status PrintSummary();

  const VerifyOptions& options_;
  FileSystem* const file_system_ = FileSystem::Default();
  Output* const out_;
  uint64_t tables_ = 0;
  uint64_t table_bytes_ = 0;
  uint64_t wal_records_ = 0;
  uint64_t unchecked_ = 0;
  // Relaxed: also read by the thread that draws.
  Atomic<uint64_t> damages_ = 0;
  Atomic<uint64_t> bytes_done_ = 0;
  Atomic<uint64_t> bytes_total_ = 0;
};

Status DatabaseVerifier::Run() {
  if (Status s = CheckDatabaseExists(options_.directory); !s.ok()) return s;
  Status s;
  {
    Progress progress([this](size_t width) { return ProgressText(width); });
    s = CheckFiles();
  }
  if (s.ok()) s = PrintSummary();
  return s.ok() ? DamageFound(damages_, options_.directory) : s;
}

Status DatabaseVerifier::CheckFiles() {
  auto tables = ReadTableInfo(file_system_, options_.directory);
  if (!tables.ok() && tables.status().IsCorruption()) {
    // Nobody knows now which files count.
    Report(tables.status().message());
    return Status::OK();
  }
  if (!tables.ok()) return tables.status();
  auto wals = ListWals(file_system_, options_.directory);
  if (!wals.ok()) return wals.status();
  for (const TableInfo& table : *tables) bytes_total_ += table.file.size;
  for (const WalFile& wal : *wals) bytes_total_ += wal.bytes;
  if (Status s = CheckManifestEnd(); !s.ok()) return s;
  for (const TableInfo& table : *tables) {
    if (Status s = CheckTable(table); !s.ok()) return s;
  }
  return CheckWals(*wals);
}

// Damage further in front was found when the tables were looked for; a torn
// end is passed over then.
Status DatabaseVerifier::CheckManifestEnd() {
  std::vector<LogDamage> damages;
  // Twice: another process may just be writing a record.
  for (int tries = 0; tries < 2; ++tries) {
    damages.clear();
    Status s = ReadManifestRecords(
        file_system_, options_.directory,
        [](const ManifestRecord& /*record*/) { return Status::OK(); },
        [&](const LogDamage& damage) { damages.push_back(damage); });
    if (!s.ok()) return s;
    if (damages.empty()) return s;
  }
  for (const LogDamage& damage : damages) Report(damage.reason);
  return Status::OK();
}

Status DatabaseVerifier::CheckTable(const TableInfo& table) {
  const uint64_t bytes_before = bytes_done_;
  bool is_reported = false;
  Status s = VerifyTableFile(
      file_system_, options_.directory, table,
      [&](const Status& damage) {
        is_reported = true;
        if (damage.IsNotSupported()) {
          ReportUnknown(damage.message());
        } else {
          Report(damage.message());
        }
      },
      [&](uint64_t bytes) { bytes_done_ = bytes_before + bytes; });
  bytes_done_ = bytes_before + table.file.size;
  if (s.IsPathNotFound()) {
    auto is_named = IsStillNamed(table);
    if (!is_named.ok()) return is_named.status();
    if (!*is_named) return Status::OK();
    Report(s.message());
  } else if (!s.ok() && !is_reported) {
    return s;
  }
  ++tables_;
  table_bytes_ += table.file.size;
  return Status::OK();
}

StatusOr<bool> DatabaseVerifier::IsStillNamed(const TableInfo& table) const {
  auto tables = ReadTableInfo(file_system_, options_.directory);
  if (!tables.ok()) return tables.status();
  return std::ranges::any_of(*tables, [&](const TableInfo& other) {
    return other.family_id == table.family_id &&
           other.file.number == table.file.number;
  });
}

Status DatabaseVerifier::CheckWals(const std::vector<WalFile>& wals) {
  const uint64_t bytes_before = bytes_done_;
  auto check = [&, this](const WalRecord& record) {
    ++wal_records_;
    uint64_t bytes = record.offset + record.contents.size();
    for (const WalFile& wal : wals) {
      if (wal.log_number < record.log_number) bytes += wal.bytes;
    }
    bytes_done_ = bytes_before + bytes;
    Status s = ValidateBatch(record.contents);
    if (s.ok()) return s;
    std::string what = fmt::format("{}: {} in the record at offset {}",
                                   record.path, s.message(), record.offset);
    s.IsNotSupported() ? ReportUnknown(what) : Report(what);
    return Status::OK();
  };
  return ReadWals(file_system_, options_.directory, check,
                  [this](const LogDamage& damage) { Report(damage.reason); });
}

void DatabaseVerifier::Report(std::string_view damage) {
  ++damages_;
  PrintFinding("damage", damage);
}

void DatabaseVerifier::ReportUnknown(std::string_view what) {
  ++unchecked_;
  PrintFinding("not_checked", what);
}

void DatabaseVerifier::PrintFinding(const char* kind, std::string_view what) {
  // A failure to print is kept by the Output.
  if (options_.json) {
    Json object = Json::object();
    AddBytes(kind, what, /*hex=*/false, &object);
    (void)out_->WriteLine(object.dump());
  } else {
    (void)out_->WriteLine(fmt::format("{}: {}", kind, Printable(what)));
  }
}

std::string DatabaseVerifier::ProgressText(size_t width) const {
  return BytesLine(bytes_done_, bytes_total_,
                   fmt::format(" {} damaged", damages_.load()), width);
}

Status DatabaseVerifier::PrintSummary() {
  if (options_.json) {
    Json object = {{"tables", tables_},
                   {"table_bytes", table_bytes_},
                   {"wal_records", wal_records_},
                   {"damages", damages_.load()},
                   {"not_checked", unchecked_}};
    return out_->WriteLine(object.dump());
  }
  std::string line = fmt::format(
      "checked {} tables of {} and {} WAL records: {} damaged", tables_,
      HumanBytes(table_bytes_), WithCommas(wal_records_), damages_.load());
  if (unchecked_ > 0) line += fmt::format(", {} not checked", unchecked_);
  return out_->WriteLine(line);
}

}  // namespace

Status Verify(const VerifyOptions& options, Output* out) {
  return DatabaseVerifier(options, out).Run();
}

}  // namespace paceline::cli
