#include "src/db/batch_inserter.h"

#include "src/base/check.h"
#include "src/format/batch_reader.h"

namespace paceline {

void InsertBatch(const Slice& batch, SequenceNumber first_sequence,
                 MemTableSink* sink) {
  BatchReader reader(batch);
  BatchEntry entry;
  SequenceNumber sequence = first_sequence;
  MemTable* memtable = nullptr;
  bool has_asked = false;
  uint32_t asked_family = 0;
  while (reader.Next(&entry)) {
    if (entry.kind != BatchEntry::Kind::kUpdate) continue;
    if (!has_asked || asked_family != entry.family_id) {
      memtable = sink->MemTableOf(entry.family_id);
      asked_family = entry.family_id;
      has_asked = true;
    }
    if (memtable != nullptr) {
      memtable->Add(sequence, entry.type, entry.key, entry.value);
    }
    ++sequence;
  }
  PL_CHECK(reader.status().ok());
}

}  // namespace paceline
