// Makes the inputs that the fuzzers start from:
//
//   make_corpus <output directory> <database directory>...
//
// Each fuzzer has a folder of its own name in the output directory. The inputs
// are the files of the databases, the records and blocks in them, and a few
// tables that Paceline writes. Each is named after its bytes, so that none is
// there twice.

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "fuzz/fuzz_target.h"
#include "fuzz/table_blocks.h"
#include "src/base/coding.h"
#include "src/format/file_name.h"
#include "src/table/compression.h"
#include "src/wal/log_format.h"
#include "src/wal/log_reader.h"
#include "test/support/test_table.h"

namespace paceline {
namespace {

namespace fs = std::filesystem;

// Larger inputs make a fuzzer slow and teach it nothing more.
constexpr size_t kInputBytesMax = size_t{64} << 10;
// Of the data blocks of a table, which are much alike.
constexpr int kDataBlocksMax = 4;
constexpr uint64_t kSeed = 1;

class CorpusMaker {
 public:
  explicit CorpusMaker(fs::path output) : output_(std::move(output)) {}

  void AddDatabase(const fs::path& directory) {
    // Point in time, with checksums made right.
    std::string archive(1, '\5');
    for (const fs::path& path : FilesOf(directory)) {
      const auto name = ParseFileName(path.filename().string());
      if (!name) continue;
      const std::string bytes = ReadFile(path);
      switch (name->type) {
        case FileType::kWal:
          PutArchived(0, name->number, bytes, &archive);
          AddLog(bytes, name->number, "batch");
          break;
        case FileType::kManifest:
          AddLog(bytes, name->number, "version_edit");
          Add("manifest", bytes);
          PutArchived(1, name->number, bytes, &archive);
          break;
        case FileType::kOptions:
          Add("options", bytes);
          break;
        case FileType::kTable:
          AddTable(bytes);
          PutArchived(2, name->number, bytes, &archive);
          break;
        default:
          break;
      }
    }
    Add("recover_dir", archive);
  }

  // Every codec and checksum, with and without the optional parts.
  void AddOwnTables() {
    const InternalKeyComparator comparator(BytewiseComparator());
    TestRandom random(kSeed);
    for (const CompressionType compression :
         {kNoCompression, kSnappyCompression, kLZ4Compression,
          kLZ4HCCompression, kZSTD}) {
      if (!CanCompress(compression)) continue;
      for (const ChecksumType checksum :
           {kNoChecksum, kCRC32c, kxxHash, kxxHash64, kXXH3}) {
        TableBuilderOptions options{.comparator = &comparator,
                                    .compression = compression};
        options.table.checksum = checksum;
        options.table.block_size = 512;
        if (random.OneIn(2)) {
          options.table.filter_policy.reset(NewBloomFilterPolicy(10));
        }
        const TestTable table =
            RandomTestTable({.entries = 50 + random.Below(50),
                             .keys = 60,
                             .value_size_max = 40,
                             .has_tombstones = random.OneIn(2)},
                            comparator, &random);
        const fs::path path = output_ / "own.sst";
        Status s = WriteTable(options, table, path.string());
        if (!s.ok()) Fail(s.ToString());
        AddTable(ReadFile(path));
        fs::remove(path);
      }
    }
  }

  // Of api_ops_fuzzer, to which all bytes mean something.
  void AddCalls() {
    constexpr int kInputs = 20;
    constexpr size_t kBytesMax = 600;
    TestRandom random(kSeed);
    for (int i = 0; i < kInputs; ++i) {
      Add("api_ops", random.Bytes(1 + random.Below(kBytesMax)));
    }
  }

  [[nodiscard]] int inputs() const { return inputs_; }

 private:
  [[noreturn]] static void Fail(const std::string& what) {
    std::fprintf(stderr, "make_corpus: %s\n", what.c_str());
    std::exit(1);
  }

  // In an order of their own, not in the directory's.
  static std::set<fs::path> FilesOf(const fs::path& directory) {
    std::set<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(directory)) {
      if (entry.is_regular_file()) files.insert(entry.path());
    }
    return files;
  }

  static std::string ReadFile(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  void Add(const std::string& fuzzer, const std::string& bytes) {
    if (bytes.size() > kInputBytesMax) return;
    char name[2 * sizeof(uint64_t) + 1];
    std::snprintf(name, sizeof(name), "%016zx",
                  std::hash<std::string>()(bytes));
    const fs::path path = output_ / fuzzer / name;
    if (fs::exists(path)) return;
    fs::create_directories(path.parent_path());
    std::ofstream file(path, std::ios::binary);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!file.flush()) Fail("cannot write " + path.string());
    ++inputs_;
  }

  // One file of an input of recover_dir_fuzzer, which says what the form is.
  static void PutArchived(char kind, uint64_t number, const std::string& bytes,
                          std::string* archive) {
    archive->push_back(kind);
    archive->push_back(static_cast<char>(number));
    PutFixed32(archive, static_cast<uint32_t>(bytes.size()));
    *archive += bytes;
  }

  // The log, and its records as inputs of `record_fuzzer`.
  void AddLog(const std::string& bytes, uint64_t number,
              const char* record_fuzzer) {
    // The beginning of a long one is as good, and so is one that breaks off.
    Add("log", bytes.substr(0, 2 * log::kBlockBytes - 100));
    LogReader reader({.file = std::make_unique<MemorySequentialFile>(bytes),
                      .path = "log",
                      .log_number = number},
                     WALRecoveryMode::kSkipAnyCorruptedRecords);
    constexpr int kRecordsMax = 50;
    Slice record;
    for (int i = 0; i < kRecordsMax &&
                    reader.ReadRecord(&record) == LogReader::Result::kRecord;
         ++i) {
      Add(record_fuzzer, record.ToString());
    }
  }

  void AddTable(const std::string& bytes) {
    Add("table", bytes);
    int data_blocks = 0;
    VisitTableBlocks(&bytes, [&](TableBlockKind kind, const BlockHandle& at) {
      if (kind == TableBlockKind::kData && ++data_blocks > kDataBlocksMax) {
        return;
      }
      const std::string stored = bytes.substr(at.offset, at.size);
      const auto type = static_cast<uint8_t>(bytes[at.offset + at.size]);
      if (kind == TableBlockKind::kFilter) {
        Add("filter", stored);
      } else if (type == kNoCompression) {
        Add("block", stored);
      } else {
        Add("compression", static_cast<char>(type) + stored);
        BlockBuffer contents;
        if (Uncompress(type, nullptr, stored, kInputBytesMax, &contents).ok()) {
          Add("block", contents.slice().ToString());
        }
      }
    });
  }

  const fs::path output_;
  int inputs_ = 0;
};

}  // namespace
}  // namespace paceline

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: make_corpus <output> <database>...\n");
    return 2;
  }
  paceline::CorpusMaker maker(argv[1]);
  for (int i = 2; i < argc; ++i) maker.AddDatabase(argv[i]);
  maker.AddOwnTables();
  maker.AddCalls();
  std::printf("%d inputs\n", maker.inputs());
  return 0;
}
