// OperationStream: random batches of every kind of entry over the column
// families of a Model. Its keys and values are such that a tree of many small
// files gets all it has to cope with: overwritten and deleted keys, operands
// without a base, tombstones over many files.

#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "test/support/model.h"
#include "test/support/seed.h"

namespace paceline {

// Batch `number` depends on the seed, the number and what the model has then;
// so a process can go on where another one ended. Thread-compatible.
class OperationStream {
 public:
  OperationStream(uint64_t seed, uint64_t key_count, uint64_t value_bytes_max)
      : seed_(seed), key_count_(key_count), value_bytes_max_(value_bytes_max) {}

  // Applies the batch to `*model`, too.
  std::vector<ModelOperation> Next(uint64_t number, Model* model) const {
    TestRandom random(seed_ + number * 0x9e3779b97f4a7c15);
    std::vector<std::string> families;
    for (const auto& [name, entries] : model->families()) {
      families.push_back(name);
    }
    std::vector<ModelOperation> operations;
    for (uint64_t left = 1 + random.Below(20); left > 0; --left) {
      const std::string& family = families[random.Below(families.size())];
      operations.push_back(NextOperation(&random, family, *model));
      model->Apply(operations.back());
    }
    return operations;
  }

  // Keys that begin with 's' are only put when they do not exist, and removed
  // by SingleDelete or DeleteRange. A low number is likelier than a high one.
  std::string RandomKey(TestRandom* random) const {
    uint64_t number = random->Below(key_count_);
    if (random->OneIn(2)) number = random->Below(number + 1);
    if (number == 0) return "";
    std::string digits = std::to_string(number);
    std::string key = (number % 5 == 0 ? "s" : "k") + digits;
    if (number % 7 == 0) key += std::string("\0\xff", 2);
    return key;
  }

 private:
  ModelOperation NextOperation(TestRandom* random, const std::string& family,
                               const Model& model) const {
    using Kind = ModelOperation::Kind;
    if (random->OneIn(80)) return NextRange(random, family, model);
    const std::string key = RandomKey(random);
    if (key.starts_with("s")) {
      const bool exists = model.Entries(family).contains(key);
      return exists
                 ? ModelOperation{Kind::kSingleDelete, family, key, ""}
                 : ModelOperation{Kind::kPut, family, key, NextValue(random)};
    }
    const uint64_t choice = random->Below(10);
    if (choice < 2) return {Kind::kDelete, family, key, ""};
    if (choice < 4) {
      return {Kind::kMerge, family, key, random->Letters(1 + random->Below(9))};
    }
    return {Kind::kPut, family, key, NextValue(random)};
  }

  // Mostly short ones; some over much of the tree.
  ModelOperation NextRange(TestRandom* random, const std::string& family,
                           const Model& model) const {
    std::string begin = RandomKey(random);
    std::string end = begin + "3";
    if (random->OneIn(5)) end = RandomKey(random);
    if (model.comparator()->Compare(begin, end) > 0) std::swap(begin, end);
    return {ModelOperation::Kind::kDeleteRange, family, begin, end};
  }

  // One in two is compressible.
  std::string NextValue(TestRandom* random) const {
    const uint64_t size = random->Below(value_bytes_max_);
    return random->OneIn(2) ? std::string(size, 'x') : random->Bytes(size);
  }

  const uint64_t seed_;
  const uint64_t key_count_;
  const uint64_t value_bytes_max_;
};

}  // namespace paceline
