#include "cli/wal_dump.h"

#include <fmt/format.h>

#include <cstdint>
#include <map>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "paceline/env.h"
#include "paceline/write_batch.h"

#include "cli/database.h"
#include "cli/text.h"
#include "src/db/inspection.h"
#include "src/format/predecessor_note.h"

namespace paceline::cli {
namespace {

using Json = nlohmann::ordered_json;
using FamilyNames = std::map<uint32_t, std::string>;

// In text, longer keys and values are cut here: room for a UUID or a path.
constexpr size_t kShortBytes = 72;

std::string FileName(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

std::string FamilyName(const FamilyNames& names, uint32_t id) {
  auto found = names.find(id);
  return found == names.end() ? fmt::format("#{}", id) : found->second;
}

// Turns a batch into lines of text.
class TextOperations final : public WriteBatch::Handler {
 public:
  TextOperations(const DumpWalOptions& options, const FamilyNames& names)
      : options_(options), names_(names) {}

  [[nodiscard]] const std::string& text() const { return text_; }

  Status PutCF(uint32_t id, const Slice& key, const Slice& value) override {
    return Add("put", id, key, &value);
  }
  Status DeleteCF(uint32_t id, const Slice& key) override {
    return Add("delete", id, key, nullptr);
  }
  Status SingleDeleteCF(uint32_t id, const Slice& key) override {
    return Add("single-delete", id, key, nullptr);
  }
  Status DeleteRangeCF(uint32_t id, const Slice& begin,
                       const Slice& end) override {
    return Add("delete-range", id, begin, &end);
  }
  Status MergeCF(uint32_t id, const Slice& key, const Slice& operand) override {
    return Add("merge", id, key, &operand);
  }
  void LogData(const Slice& blob) override {
    if (auto note = PredecessorNote::FromBlob(blob)) {
      text_ += fmt::format("  follows\tWAL {}\tlast sequence {}\n",
                           note->wal_number, note->last_sequence);
    } else {
      text_ += "  log-data\t" + Field(blob) + "\n";
    }
  }

 private:
  Status Add(std::string_view operation, uint32_t id, const Slice& first,
             const Slice* second) {
    text_ += fmt::format("  {}\t{}\t{}", operation,
                         Escaped(FamilyName(names_, id)), Field(first));
    if (second != nullptr) text_ += "\t" + Field(*second);
    text_ += '\n';
    return Status::OK();
  }

  [[nodiscard]] std::string Field(const Slice& bytes) const {
    std::string_view shown = bytes;
    if (!options_.full) shown = shown.substr(0, kShortBytes);
    std::string text;
    (options_.hex ? AppendHex : AppendEscaped)(shown, &text);
    if (shown.size() < bytes.size()) {
      text += fmt::format("... ({} bytes)", bytes.size());
    }
    return text;
  }

  const DumpWalOptions& options_;
  const FamilyNames& names_;
  std::string text_;
};

// Turns a batch into an array of JSON objects.
class JsonOperations final : public WriteBatch::Handler {
 public:
  JsonOperations(const DumpWalOptions& options, const FamilyNames& names)
      : options_(options), names_(names) {}

  Json TakeOperations() { return std::move(operations_); }

  Status PutCF(uint32_t id, const Slice& key, const Slice& value) override {
    return Add("put", id, {{"key", key}, {"value", value}});
  }
  Status DeleteCF(uint32_t id, const Slice& key) override {
    return Add("delete", id, {{"key", key}});
  }
  Status SingleDeleteCF(uint32_t id, const Slice& key) override {
    return Add("single-delete", id, {{"key", key}});
  }
  Status DeleteRangeCF(uint32_t id, const Slice& begin,
                       const Slice& end) override {
    return Add("delete-range", id, {{"begin", begin}, {"end", end}});
  }
  Status MergeCF(uint32_t id, const Slice& key, const Slice& operand) override {
    return Add("merge", id, {{"key", key}, {"operand", operand}});
  }
  void LogData(const Slice& blob) override {
    Json object = {{"operation", "log-data"}};
    AddBytes("blob", blob, options_.hex, &object);
    operations_.push_back(std::move(object));
  }

 private:
  using Field = std::pair<const char*, Slice>;

  Status Add(std::string_view operation, uint32_t id,
             std::initializer_list<Field> fields) {
    Json object = {{"operation", operation}, {"column_family_id", id}};
    if (auto found = names_.find(id); found != names_.end()) {
      AddBytes("column_family", found->second, /*hex=*/false, &object);
    }
    for (const auto& [name, bytes] : fields) {
      AddBytes(name, bytes, options_.hex, &object);
    }
    operations_.push_back(std::move(object));
    return Status::OK();
  }

  const DumpWalOptions& options_;
  const FamilyNames& names_;
  Json operations_ = Json::array();
};

// Prints what ReadWals() finds. A record whose batch is malformed is damage
// that ReadWals() cannot know of; one with operations that Paceline does not
// have is shown without them.
class WalPrinter {
 public:
  WalPrinter(const DumpWalOptions& options, FamilyNames names, Output* out)
      : options_(options), names_(std::move(names)), out_(out) {}

  Status PrintRecord(const WalRecord& record) {
    WriteBatch batch(record.contents);
    return options_.json ? PrintJson(record, batch) : PrintText(record, batch);
  }

  // Places where something could not be read.
  [[nodiscard]] uint64_t damages() const { return damages_; }

  Status PrintDamage(const LogDamage& damage) {
    ++damages_;
    std::string name = FileName(damage.path);
    if (!options_.json) {
      return out_->WriteLine(fmt::format("{}\toffset {}\tdamage: {}", name,
                                         damage.offset,
                                         Printable(damage.reason)));
    }
    Json object = {{"file", name}, {"offset", damage.offset}};
    AddBytes("damage", damage.reason, /*hex=*/false, &object);
    return out_->WriteLine(object.dump());
  }

 private:
  Status PrintText(const WalRecord& record, const WriteBatch& batch) {
    TextOperations operations(options_, names_);
    Status s = batch.Iterate(&operations);
    if (s.IsCorruption()) return PrintMalformed(record, s);
    std::string text =
        fmt::format("{}\toffset {}\tsequence {}\tcount {}\t{} bytes\n{}",
                    FileName(record.path), record.offset, record.sequence,
                    record.count, record.contents.size(), operations.text());
    if (!s.ok()) text += fmt::format("  not shown: {}\n", s.message());
    return out_->Write(text);
  }

  Status PrintJson(const WalRecord& record, const WriteBatch& batch) {
    JsonOperations operations(options_, names_);
    Status s = batch.Iterate(&operations);
    if (s.IsCorruption()) return PrintMalformed(record, s);
    Json object = {{"file", FileName(record.path)},
                   {"offset", record.offset},
                   {"sequence", record.sequence},
                   {"count", record.count},
                   {"bytes", record.contents.size()},
                   {"operations", operations.TakeOperations()}};
    if (!s.ok()) object["not_shown"] = std::string(s.message());
    return out_->WriteLine(object.dump());
  }

  Status PrintMalformed(const WalRecord& record, const Status& status) {
    return PrintDamage(
        {record.path, record.offset, std::string(status.message())});
  }

  const DumpWalOptions& options_;
  const FamilyNames names_;
  Output* const out_;
  uint64_t damages_ = 0;
};

}  // namespace

Status DumpWal(const DumpWalOptions& options, Output* out) {
  if (Status s = CheckDatabaseExists(options.directory); !s.ok()) return s;
  FileSystem* file_system = FileSystem::Default();
  auto families = ReadColumnFamilyInfo(file_system, options.directory);
  if (!families.ok()) return families.status();
  FamilyNames names;
  for (const ColumnFamilyInfo& family : *families) {
    names[family.id] = family.name;
  }
  WalPrinter printer(options, std::move(names), out);
  Status s = ReadWals(
      file_system, options.directory,
      [&](const WalRecord& record) { return printer.PrintRecord(record); },
      // A failure to print is kept by the Output.
      [&](const LogDamage& damage) { (void)printer.PrintDamage(damage); });
  return s.ok() ? DamageFound(printer.damages(), options.directory) : s;
}

}  // namespace paceline::cli
