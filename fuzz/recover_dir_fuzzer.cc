// The directory of a whole database: opened for reading, opened for writing,
// and read. An input is an archive:
//
//   u8 flags: 1 makes checksums right; the two bits above are the recovery mode
//   files: u8 kind (WAL, MANIFEST, table), u8 number, u32 size, the bytes
//
// CURRENT names the last MANIFEST.

#include <memory>
#include <vector>

#include "paceline/db.h"

#include "fuzz/fuzz_target.h"
#include "fuzz/log_checksums.h"
#include "fuzz/table_blocks.h"
#include "src/base/coding.h"
#include "src/format/file_name.h"
#include "test/support/memory_file_system.h"
#include "test/support/no_logger.h"

namespace paceline {
namespace {

constexpr const char* kDirectory = "db";
// Tables may name one block again and again.
constexpr size_t kStepsMax = 20'000;

constexpr WALRecoveryMode kModes[] = {
    WALRecoveryMode::kTolerateCorruptedTailRecords,
    WALRecoveryMode::kAbsoluteConsistency,
    WALRecoveryMode::kPointInTimeRecovery,
    WALRecoveryMode::kSkipAnyCorruptedRecords,
};

void Unpack(Slice input, bool fixes_checksums, MemoryFileSystem* files) {
  constexpr size_t kHeaderBytes = 6;
  while (input.size() >= kHeaderBytes) {
    const int kind = static_cast<uint8_t>(input[0]) % 3;
    const uint64_t number = static_cast<uint8_t>(input[1]);
    const size_t size = std::min<size_t>(DecodeFixed32(input.data() + 2),
                                         input.size() - kHeaderBytes);
    std::string bytes(input.data() + kHeaderBytes, size);
    input.remove_prefix(kHeaderBytes + size);
    if (fixes_checksums && kind == 2) FixTableChecksums(&bytes);
    if (fixes_checksums && kind != 2) FixLogChecksums(&bytes);
    if (kind == 0) files->Add(WalFileName(kDirectory, number), bytes);
    if (kind == 2) files->Add(TableFileName(kDirectory, number), bytes);
    if (kind != 1) continue;
    files->Add(ManifestFileName(kDirectory, number), bytes);
    files->Add(CurrentFileName(kDirectory), ManifestBaseName(number) + "\n");
  }
}

void Scan(DB* db, ColumnFamilyHandle* family) {
  std::unique_ptr<Iterator> it(db->NewIterator({}, family));
  size_t steps = 0;
  std::string value;
  for (it->SeekToFirst(); it->Valid() && steps < kStepsMax; it->Next()) {
    Touch(it->key());
    Touch(it->value());
    if (++steps % 16 == 0) {
      const std::string key = it->key().ToString();
      (void)db->Get({}, family, key, &value);
    }
  }
  for (it->SeekToLast(); it->Valid() && steps > 0; it->Prev()) --steps;
}

void OpenAndScan(const DBOptions& options,
                 const std::vector<ColumnFamilyDescriptor>& families,
                 bool is_read_only) {
  std::vector<ColumnFamilyHandle*> handles;
  std::unique_ptr<DB> db;
  const Status s =
      is_read_only
          ? DB::OpenForReadOnly(options, kDirectory, families, &handles, &db)
          : DB::Open(options, kDirectory, families, &handles, &db);
  if (!s.ok()) return;
  for (ColumnFamilyHandle* handle : handles) Scan(db.get(), handle);
  if (!is_read_only) (void)db->Put({}, "key", "value");
  for (ColumnFamilyHandle* handle : handles) delete handle;
  (void)db->Close();
}

void Recover(const Slice& input) {
  if (input.empty()) return;
  const auto flags = static_cast<uint8_t>(input[0]);
  MemoryFileSystem files;
  Unpack(Slice(input.data() + 1, input.size() - 1), (flags & 1) != 0, &files);
  DBOptions options;
  options.file_system = &files;
  options.info_log = std::make_shared<NoLogger>();
  options.wal_recovery_mode = kModes[flags >> 1 & 3];
  std::vector<std::string> names;
  if (!DB::ListColumnFamilies(options, kDirectory, &names).ok()) return;
  std::vector<ColumnFamilyDescriptor> families;
  for (const std::string& name : names) families.push_back({name, {}});
  OpenAndScan(options, families, /*is_read_only=*/true);
  OpenAndScan(options, families, /*is_read_only=*/false);
  OpenAndScan(options, families, /*is_read_only=*/false);
}

}  // namespace
}  // namespace paceline

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  paceline::Recover(paceline::CopyOfInput(data, size));
  return 0;
}
