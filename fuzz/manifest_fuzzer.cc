// A whole MANIFEST: its edits, what they make, and the Versions of that. As it
// is, and with the checksums made right. What was understood is the same when
// it is written again.

#include <memory>

#include "fuzz/fuzz_target.h"
#include "fuzz/log_checksums.h"
#include "src/base/check.h"
#include "src/table/table_cache.h"
#include "src/version/manifest_state.h"
#include "src/version/version.h"
#include "test/support/memory_file_system.h"

namespace paceline {
namespace {

std::string Encoded(const ManifestState& state) {
  std::string encoded;
  for (const VersionEdit& edit : state.ToEdits()) edit.EncodeTo(&encoded);
  return encoded;
}

void CheckSameAgain(const ManifestState& state) {
  ManifestState again = ManifestState::Empty();
  for (const VersionEdit& edit : state.ToEdits()) {
    std::string record;
    edit.EncodeTo(&record);
    StatusOr<VersionEdit> decoded = VersionEdit::Decode(record);
    PL_CHECK(decoded.ok());
    PL_CHECK(again.Apply(*decoded).ok());
  }
  PL_CHECK(again.CheckDistinct().ok());
  PL_CHECK(Encoded(again) == Encoded(state));
}

void MakeVersions(MemoryFileSystem* files, const ManifestState& state) {
  for (const Comparator* order :
       {BytewiseComparator(), ReverseBytewiseComparator()}) {
    auto context = std::make_shared<const TableContext>(
        TableContext{InternalKeyComparator(order), "family",
                     std::make_shared<TableCache>(files, "db", -1), nullptr,
                     std::make_shared<UnusedTables>()});
    for (const auto& [id, family] : state.families) {
      auto version = Version::Make(family, Version(context));
      if (!version.ok()) continue;
      PL_CHECK((*version)->FileCount() == family.files.size());
      (void)(*version)->TotalBytes();
      (void)(*version)->NextEpoch();
      for (const auto& [number, file] : family.files) {
        const Slice key = file.metadata->smallest_user_key();
        for (int level = 0; level < kLevels; ++level) {
          (void)(*version)->Overlapping(level, &key, &key);
        }
        (void)(*version)->MayHaveBelow(0, key);
      }
    }
  }
}

void Read(const std::string& bytes) {
  MemoryFileSystem files;
  files.Add("db/CURRENT", "MANIFEST-000001\n");
  files.Add("db/MANIFEST-000001", bytes);
  auto manifest = ReadManifest(&files, "db");
  if (!manifest.ok()) return;
  (void)manifest->state.FirstLiveLog();
  CheckSameAgain(manifest->state);
  MakeVersions(&files, manifest->state);
}

}  // namespace
}  // namespace paceline

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string bytes = paceline::CopyOfInput(data, size);
  paceline::Read(bytes);
  paceline::FixLogChecksums(&bytes);
  paceline::Read(bytes);
  return 0;
}
