#include "bench/workloads.h"

#include <array>
#include <string>
#include <vector>

namespace paceline::bench {

namespace {

enum class Order { kSequential, kRandom };

// A thread's series of key numbers. Every thread of a sequential workload
// counts through the whole key space, as in db_bench.
class KeySeries {
 public:
  KeySeries(Order order, const OperationContext& context)
      : order_(order),
        key_count_(context.parameters->key_count),
        random_(context.seed) {}

  uint64_t Next() {
    if (order_ == Order::kRandom) return random_.Uniform(key_count_);
    uint64_t number = next_;
    next_ = next_ + 1 < key_count_ ? next_ + 1 : 0;
    return number;
  }

 private:
  const Order order_;
  const uint64_t key_count_;
  Random random_;
  uint64_t next_ = 0;
};

// The seed of a thread's values must not make them follow its keys.
ValueSeries MakeValues(const OperationContext& context) {
  return ValueSeries(context.values, ~context.seed);
}

class PutOperation : public Operation {
 public:
  PutOperation(Order order, const OperationContext& context)
      : session_(context.session),
        keys_(order, context),
        values_(MakeValues(context)),
        key_(static_cast<size_t>(context.parameters->key_size), '0') {}

  Status Run(Tally* tally) override {
    EncodeKey(keys_.Next(), &key_);
    Slice value = values_.Next();
    Status s = session_->Put(key_, value);
    if (!s.ok()) return s;
    ++tally->operations;
    tally->bytes += key_.size() + value.size();
    return s;
  }

 private:
  Session* const session_;
  KeySeries keys_;
  ValueSeries values_;
  std::string key_;
};

class PutBatchOperation : public Operation {
 public:
  PutBatchOperation(Order order, const OperationContext& context)
      : session_(context.session),
        keys_(order, context),
        values_(MakeValues(context)),
        key_bytes_(context.parameters->batch_size,
                   std::string(
                       static_cast<size_t>(context.parameters->key_size), '0')),
        entries_(context.parameters->batch_size) {}

  Status Run(Tally* tally) override {
    uint64_t bytes = 0;
    for (size_t i = 0; i < entries_.size(); ++i) {
      EncodeKey(keys_.Next(), &key_bytes_[i]);
      entries_[i] = {.key = key_bytes_[i], .value = values_.Next()};
      bytes += entries_[i].key.size() + entries_[i].value.size();
    }
    Status s = session_->PutBatch(entries_);
    if (!s.ok()) return s;
    tally->operations += entries_.size();
    tally->bytes += bytes;
    return s;
  }

 private:
  Session* const session_;
  KeySeries keys_;
  ValueSeries values_;
  std::vector<std::string> key_bytes_;
  std::vector<Entry> entries_;
};

class DeleteOperation : public Operation {
 public:
  explicit DeleteOperation(const OperationContext& context)
      : session_(context.session),
        keys_(Order::kRandom, context),
        key_(static_cast<size_t>(context.parameters->key_size), '0') {}

  Status Run(Tally* tally) override {
    EncodeKey(keys_.Next(), &key_);
    Status s = session_->Delete(key_);
    if (!s.ok()) return s;
    ++tally->operations;
    tally->bytes += key_.size();
    return s;
  }

 private:
  Session* const session_;
  KeySeries keys_;
  std::string key_;
};

class GetOperation : public Operation {
 public:
  // `key_size` is that of the keys looked for: a longer one finds nothing.
  GetOperation(const OperationContext& context, int key_size)
      : session_(context.session),
        keys_(Order::kRandom, context),
        key_(static_cast<size_t>(key_size), '0') {}

  Status Run(Tally* tally) override {
    EncodeKey(keys_.Next(), &key_);
    size_t value_size = 0;
    Status s = session_->Get(key_, &value_size);
    if (!s.ok() && !s.IsNotFound()) return s;
    ++tally->operations;
    if (s.ok()) {
      ++tally->found;
      tally->bytes += key_.size() + value_size;
    }
    return Status::OK();
  }

 private:
  Session* const session_;
  KeySeries keys_;
  std::string key_;
};

class MultiGetOperation : public Operation {
 public:
  explicit MultiGetOperation(const OperationContext& context)
      : session_(context.session),
        keys_(Order::kRandom, context),
        key_bytes_(context.parameters->batch_size,
                   std::string(
                       static_cast<size_t>(context.parameters->key_size), '0')),
        slices_(context.parameters->batch_size) {}

  Status Run(Tally* tally) override {
    for (size_t i = 0; i < slices_.size(); ++i) {
      EncodeKey(keys_.Next(), &key_bytes_[i]);
      slices_[i] = key_bytes_[i];
    }
    uint64_t found = 0;
    uint64_t value_bytes = 0;
    Status s = session_->MultiGet(slices_, &found, &value_bytes);
    if (!s.ok()) return s;
    tally->operations += slices_.size();
    tally->found += found;
    tally->bytes += found * key_bytes_.front().size() + value_bytes;
    return s;
  }

 private:
  Session* const session_;
  KeySeries keys_;
  std::vector<std::string> key_bytes_;
  std::vector<Slice> slices_;
};

enum class Direction { kForward, kBackward };

// One entry is one operation.
class ScanOperation : public Operation {
 public:
  ScanOperation(Direction direction, const OperationContext& context)
      : session_(context.session),
        direction_(direction),
        repeats_(context.parameters->repeats_scans) {}

  Status Run(Tally* tally) override {
    bool is_first_scan = cursor_ == nullptr;
    if (!is_first_scan && Step()) return Count(tally);
    if (!is_first_scan && (!cursor_->status().ok() || !repeats_)) {
      return cursor_->status();
    }
    auto cursor = session_->NewCursor();
    if (!cursor.ok()) return cursor.status();
    cursor_ = std::move(*cursor);
    if (Start()) return Count(tally);
    return cursor_->status();
  }

 private:
  bool Start() {
    return direction_ == Direction::kForward ? cursor_->SeekToFirst()
                                             : cursor_->SeekToLast();
  }
  bool Step() {
    return direction_ == Direction::kForward ? cursor_->Next()
                                             : cursor_->Prev();
  }
  Status Count(Tally* tally) {
    ++tally->operations;
    tally->bytes += cursor_->key().size() + cursor_->value().size();
    return Status::OK();
  }

  Session* const session_;
  const Direction direction_;
  const bool repeats_;
  std::unique_ptr<Cursor> cursor_;
};

// A new cursor for every seek, as in db_bench.
class SeekOperation : public Operation {
 public:
  explicit SeekOperation(const OperationContext& context)
      : session_(context.session),
        keys_(Order::kRandom, context),
        nexts_(context.parameters->seek_nexts),
        key_(static_cast<size_t>(context.parameters->key_size), '0') {}

  Status Run(Tally* tally) override {
    EncodeKey(keys_.Next(), &key_);
    auto made = session_->NewCursor();
    if (!made.ok()) return made.status();
    Cursor* cursor = made->get();
    bool is_valid = cursor->Seek(key_);
    if (is_valid && cursor->key() == Slice(key_)) ++tally->found;
    for (uint64_t i = 0; i < nexts_ && is_valid; ++i) {
      tally->bytes += cursor->key().size() + cursor->value().size();
      is_valid = cursor->Next();
    }
    ++tally->operations;
    return cursor->status();
  }

 private:
  Session* const session_;
  KeySeries keys_;
  const uint64_t nexts_;
  std::string key_;
};

// One call of the engine, once.
class EngineOperation : public Operation {
 public:
  EngineOperation(Status (Engine::*call)(), const OperationContext& context)
      : call_(call), engine_(context.engine) {}

  Status Run(Tally* tally) override {
    if (is_done_) return Status::OK();
    is_done_ = true;
    ++tally->operations;
    return (engine_->*call_)();
  }

 private:
  Status (Engine::*const call_)();
  Engine* const engine_;
  bool is_done_ = false;
};

// Opens the database, once.
class OpenOperation : public Operation {
 public:
  explicit OpenOperation(const OperationContext& context)
      : open_(context.open) {}

  Status Run(Tally* tally) override {
    if (is_done_) return Status::OK();
    is_done_ = true;
    ++tally->operations;
    return open_();
  }

 private:
  const std::function<Status()> open_;
  bool is_done_ = false;
};

using OperationPointer = std::unique_ptr<Operation>;

template <Order order>
OperationPointer MakePut(const OperationContext& context) {
  if (context.parameters->batch_size == 1) {
    return std::make_unique<PutOperation>(order, context);
  }
  return std::make_unique<PutBatchOperation>(order, context);
}

template <Order order>
OperationPointer MakePutBatch(const OperationContext& context) {
  return std::make_unique<PutBatchOperation>(order, context);
}

OperationPointer MakeDelete(const OperationContext& context) {
  return std::make_unique<DeleteOperation>(context);
}

OperationPointer MakeGet(const OperationContext& context) {
  return std::make_unique<GetOperation>(context, context.parameters->key_size);
}

OperationPointer MakeGetMissing(const OperationContext& context) {
  return std::make_unique<GetOperation>(context,
                                        context.parameters->key_size + 1);
}

OperationPointer MakeMultiGet(const OperationContext& context) {
  return std::make_unique<MultiGetOperation>(context);
}

OperationPointer MakeOpen(const OperationContext& context) {
  return std::make_unique<OpenOperation>(context);
}

template <Status (Engine::*call)()>
OperationPointer MakeEngineCall(const OperationContext& context) {
  return std::make_unique<EngineOperation>(call, context);
}

template <Direction direction>
OperationPointer MakeScan(const OperationContext& context) {
  return std::make_unique<ScanOperation>(direction, context);
}

OperationPointer MakeSeek(const OperationContext& context) {
  return std::make_unique<SeekOperation>(context);
}

constexpr Workload kWorkloads[] = {
    {.name = "fillseq",
     .make = MakePut<Order::kSequential>,
     .starts_fresh = true,
     .writes = true,
     .is_batched = true},
    {.name = "fillrandom",
     .make = MakePut<Order::kRandom>,
     .starts_fresh = true,
     .writes = true,
     .is_batched = true},
    {.name = "overwrite",
     .make = MakePut<Order::kRandom>,
     .writes = true,
     .is_batched = true},
    {.name = "fillsync",
     .make = MakePut<Order::kRandom>,
     .starts_fresh = true,
     .writes = true,
     .always_syncs = true,
     .num_divisor = 1000,
     .is_batched = true},
    {.name = "fillwhilesyncing",
     .make = MakePut<Order::kRandom>,
     .starts_fresh = true,
     .writes = true,
     .is_batched = true,
     .has_background_writer = true,
     .background_syncs = true},
    {.name = "fillbatch",
     .make = MakePutBatch<Order::kSequential>,
     .starts_fresh = true,
     .writes = true,
     .default_batch_size = 1000,
     .is_batched = true},
    {.name = "readrandom", .make = MakeGet, .counts_found = true},
    {.name = "readmissing", .make = MakeGetMissing, .counts_found = true},
    {.name = "readseq", .make = MakeScan<Direction::kForward>},
    {.name = "readreverse", .make = MakeScan<Direction::kBackward>},
    {.name = "seekrandom", .make = MakeSeek, .counts_found = true},
    {.name = "readwhilewriting",
     .make = MakeGet,
     .counts_found = true,
     .has_background_writer = true},
    // RocksDB's own MultiGet works in pieces of 32 keys.
    {.name = "multireadrandom",
     .make = MakeMultiGet,
     .default_batch_size = 32,
     .is_batched = true,
     .counts_found = true},
    {.name = "deleterandom", .make = MakeDelete, .writes = true},
    {.name = "compact", .make = MakeEngineCall<&Engine::Compact>},
    {.name = "open", .make = MakeOpen, .opens = true},
    {.name = "waitforcompaction", .make = MakeEngineCall<&Engine::Settle>},
};

}  // namespace

std::span<const Workload> Workloads() { return kWorkloads; }

const Workload* FindWorkload(std::string_view name) {
  for (const Workload& workload : kWorkloads) {
    if (workload.name == name) return &workload;
  }
  return nullptr;
}

std::unique_ptr<Operation> MakeBackgroundWriter(
    const OperationContext& context) {
  return std::make_unique<PutOperation>(Order::kRandom, context);
}

}  // namespace paceline::bench
