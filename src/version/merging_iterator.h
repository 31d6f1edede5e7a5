// MergingIterator: many sorted sources as one.

#pragma once

#include <memory>
#include <vector>

#include "src/format/internal_iterator.h"
#include "src/format/internal_key.h"

namespace paceline {

// Over the entries of all `children` in the order of internal keys.
// `comparator` must outlive it.
std::unique_ptr<InternalIterator> NewMergingIterator(
    const InternalKeyComparator* comparator,
    std::vector<std::unique_ptr<InternalIterator>> children);

}  // namespace paceline
