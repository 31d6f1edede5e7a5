// FilterPolicy: how a table remembers which keys it does not have.

#pragma once

#include <memory>

namespace paceline {

// Immutable. The filters are RocksDB's Bloom filters, bit for bit.
class FilterPolicy {
 public:
  virtual ~FilterPolicy() = default;
  [[nodiscard]] virtual const char* Name() const = 0;
  [[nodiscard]] virtual double bits_per_key() const = 0;
};

// A Bloom filter of about `bits_per_key` bits for each key; 10 lets about one
// in a hundred look-ups of absent keys through to the table. 1 to 100; values
// outside are taken for the nearest one. The caller owns the result, usually
// through BlockBasedTableOptions::filter_policy.
const FilterPolicy* NewBloomFilterPolicy(double bits_per_key);

}  // namespace paceline
