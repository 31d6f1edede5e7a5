// Opens a database, commits a batch, and lists what is in it.

#include <cstdlib>
#include <iostream>
#include <memory>

#include "paceline/db.h"

void Check(const paceline::Status& status) {
  if (status.ok()) return;
  std::cerr << status.ToString() << "\n";
  std::exit(1);
}

int main() {
  paceline::Options options;
  options.create_if_missing = true;
  std::unique_ptr<paceline::DB> db;
  Check(paceline::DB::Open(options, "first_db", &db));

  // Both entries or none, and safe from a power cut when Write() returns.
  paceline::WriteBatch batch;
  Check(batch.Put("ann", "yellow"));
  Check(batch.Put("bob", "green"));
  Check(db->Write({.sync = true}, &batch));

  std::unique_ptr<paceline::Iterator> it(db->NewIterator({}));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    std::cout << it->key().ToStringView() << " wears "
              << it->value().ToStringView() << "\n";
  }
  Check(it->status());
}
