#include "cli/dump.h"

#include "paceline/db.h"

#include "cli/database.h"
#include "cli/text.h"

namespace paceline::cli {
namespace {

Status DumpFamily(DB* db, ColumnFamilyHandle* family, Output* out) {
  std::unique_ptr<Iterator> it(db->NewIterator({}, family));
  std::string line;
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    line.clear();
    AppendEscaped(family->GetName(), &line);
    line += '\t';
    AppendHex(it->key(), &line);
    line += '\t';
    AppendHex(it->value(), &line);
    if (Status s = out->WriteLine(line); !s.ok()) return s;
  }
  return it->status();
}

}  // namespace

Status Dump(const DumpOptions& options, Output* out) {
  auto database = Database::OpenForReading(
      options.directory,
      {.recovery_mode = options.recovery_mode,
       .merge_operator = options.merge_operator,
       .fallback_merge_operator = NewStringAppendOperator(",")});
  if (!database.ok()) return database.status();
  for (ColumnFamilyHandle* family : (*database)->families()) {
    Status s = DumpFamily((*database)->db(), family, out);
    if (!s.ok()) return s;
  }
  return Status::OK();
}

}  // namespace paceline::cli
