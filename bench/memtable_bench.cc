// memtable_bench: what one operation of a memtable costs, without the commit
// around it.
//
// How do insert, get, seek and scan grow with the number of entries, for keys
// of several sizes and orders? Expected: much less than by a cache miss for
// each halving of the entries, and ascending keys near the cost of copying
// them. `time` is that of one operation as the clock on the wall sees it: 2
// threads that do not disturb each other halve it.
//
//   memtable_bench --benchmark_filter='insert/random/key:16/.*threads:1/'

#include <benchmark/benchmark.h>
#include <malloc.h>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "paceline/comparator.h"

#include "bench/generators.h"
#include "src/base/arena_blocks.h"
#include "src/base/random.h"
#include "src/base/sync.h"
#include "src/memtable/memtable.h"

namespace paceline::bench {
namespace {

constexpr size_t kValueBytes = 100;

enum class Order { kSequential, kRandom, kZipf, kText };

struct Shape {
  Order order;
  size_t key_bytes;
  size_t entries;
  size_t threads;
};

// Numbers from 0 to `count` - 1, the first ones most often: a number is about
// twice as frequent as one twice as large. Spread over the keys by a hash.
uint64_t ZipfNumber(Random* random, uint64_t count) {
  const double uniform = static_cast<double>(random->Next() >> 11) * 0x1p-53;
  return static_cast<uint64_t>(std::pow(static_cast<double>(count), uniform)) -
         1;
}

// The keys of all entries, one behind the other.
class Keys {
 public:
  explicit Keys(const Shape& shape) : key_bytes_(shape.key_bytes) {
    Random random(1);
    bytes_.reserve(shape.entries * key_bytes_);
    std::string key(key_bytes_, '0');
    for (size_t i = 0; i < shape.entries; ++i) {
      MakeKey(shape, i, &random, &key);
      bytes_ += key;
    }
  }
  Slice operator[](size_t i) const {
    return {bytes_.data() + i * key_bytes_, key_bytes_};
  }

 private:
  static void MakeKey(const Shape& shape, size_t i, Random* random,
                      std::string* key) {
    switch (shape.order) {
      case Order::kSequential:
        return EncodeKey(i, key);
      case Order::kRandom:
        return EncodeKey(random->Next(), key);
      case Order::kZipf:
        return EncodeKey(Random(ZipfNumber(random, shape.entries)).Next(), key);
      case Order::kText: {
        // A name and digits: the first bytes are the same in all keys.
        std::string digits = std::to_string(random->Uniform(shape.entries * 4));
        key->assign(shape.key_bytes - digits.size(), '0');
        key->replace(0, 4, "user");
        *key += digits;
        return;
      }
    }
  }

  const size_t key_bytes_;
  std::string bytes_;
};

// Calls `work(thread)` in each thread; returns how many seconds all needed.
double SecondsOf(size_t threads, const std::function<void(size_t)>& work) {
  Atomic<size_t> ready = 0;
  Atomic<bool> go = false;
  std::vector<Thread> others;
  for (size_t thread = 1; thread < threads; ++thread) {
    others.emplace_back([&, thread] {
      ready.fetch_add(1);
      while (!go.load()) SpinPause();
      work(thread);
    });
  }
  while (ready.load() + 1 < threads) SpinPause();
  const auto start = std::chrono::steady_clock::now();
  go.store(true);
  work(0);
  for (Thread& other : others) other.join();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
      .count();
}

// Adds every `threads`-th entry, from `thread` on.
void Fill(MemTable* memtable, const Keys& keys, const Shape& shape,
          size_t thread) {
  const std::string value(kValueBytes, 'v');
  for (size_t i = thread; i < shape.entries; i += shape.threads) {
    memtable->Add(i + 1, ValueType::kValue, keys[i], value);
  }
}

std::unique_ptr<MemTable> FilledMemTable(
    const Keys& keys, Shape shape,
    const std::shared_ptr<ArenaBlocks>& blocks =
        std::make_shared<ArenaBlocks>()) {
  auto memtable = std::make_unique<MemTable>(BytewiseComparator(), blocks);
  shape.threads = 1;
  Fill(memtable.get(), keys, shape, 0);
  return memtable;
}

void Report(benchmark::State* state, size_t operations) {
  const auto all = static_cast<double>(state->iterations()) *
                   static_cast<double>(operations);
  state->counters["time"] = benchmark::Counter(
      all, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void Insert(benchmark::State& state, const Shape& shape) {
  const Keys keys(shape);
  // One memtable after the other in the same memory, as in a database. What the
  // machine needs for the first one is another question.
  const auto blocks = std::make_shared<ArenaBlocks>();
  const size_t bytes = FilledMemTable(keys, shape, blocks)->UsedBytes();
  for (auto _ : state) {
    MemTable memtable(BytewiseComparator(), blocks);
    state.SetIterationTime(SecondsOf(shape.threads, [&](size_t thread) {
      Fill(&memtable, keys, shape, thread);
    }));
  }
  Report(&state, shape.entries);
  state.counters["bytes"] =
      static_cast<double>(bytes) / static_cast<double>(shape.entries);
}

// Calls `operation(key)` for keys that are there, in an order that has nothing
// to do with the one in which they were added.
template <typename MakeOperation>
void LookUp(benchmark::State& state, const Shape& shape,
            MakeOperation make_operation) {
  const Keys keys(shape);
  const std::unique_ptr<MemTable> memtable = FilledMemTable(keys, shape);
  for (auto _ : state) {
    state.SetIterationTime(SecondsOf(shape.threads, [&](size_t thread) {
      auto operation = make_operation(*memtable);
      Random random(thread);
      for (size_t i = thread; i < shape.entries; i += shape.threads) {
        operation(keys[random.Uniform(shape.entries)]);
      }
    }));
  }
  Report(&state, shape.entries);
}

void Get(benchmark::State& state, const Shape& shape) {
  LookUp(state, shape, [](const MemTable& memtable) {
    return [&memtable](const Slice& key) {
      memtable.VisitVersions(key, kMaxSequenceNumber,
                             [](SequenceNumber, ValueType, const Slice& value) {
                               benchmark::DoNotOptimize(value.data()[0]);
                               return false;
                             });
    };
  });
}

void Seek(benchmark::State& state, const Shape& shape) {
  LookUp(state, shape, [](const MemTable& memtable) {
    return [iterator = memtable.NewIterator(),
            target = std::string()](const Slice& key) mutable {
      target.clear();
      AppendInternalKey(&target, key, kMaxSequenceNumber, ValueType::kSeekMax);
      iterator->Seek(target);
      benchmark::DoNotOptimize(iterator->key().data()[0]);
    };
  });
}

// Each thread walks over all entries.
void Scan(benchmark::State& state, const Shape& shape) {
  const std::unique_ptr<MemTable> memtable = FilledMemTable(Keys(shape), shape);
  for (auto _ : state) {
    state.SetIterationTime(SecondsOf(shape.threads, [&](size_t) {
      auto iterator = memtable->NewIterator();
      for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
        benchmark::DoNotOptimize(iterator->key().data()[0]);
      }
    }));
  }
  Report(&state, shape.entries * shape.threads);
}

void Register(const Shape& shape) {
  static constexpr const char* kOrders[] = {"sequential", "random", "zipf",
                                            "text"};
  const std::string suffix = std::string("/") +
                             kOrders[static_cast<size_t>(shape.order)] +
                             "/key:" + std::to_string(shape.key_bytes) +
                             "/entries:" + std::to_string(shape.entries) +
                             "/threads:" + std::to_string(shape.threads);
  const std::pair<const char*, void (*)(benchmark::State&, const Shape&)>
      operations[] = {
          {"insert", Insert}, {"get", Get}, {"seek", Seek}, {"scan", Scan}};
  for (const auto& [name, operation] : operations) {
    benchmark::RegisterBenchmark((name + suffix).c_str(), operation, shape)
        ->UseManualTime()
        ->Unit(benchmark::kMillisecond);
  }
}

void RegisterAll() {
  for (size_t threads : {1, 2}) {
    for (Order order : {Order::kSequential, Order::kRandom, Order::kZipf}) {
      for (size_t key_bytes : {8, 16, 64}) {
        for (size_t entries : {10'000, 100'000, 1'000'000}) {
          Register({order, key_bytes, entries, threads});
        }
      }
    }
    for (size_t entries : {10'000, 100'000, 1'000'000}) {
      Register({Order::kText, 16, entries, threads});
    }
    for (size_t entries : {500'000, 4'000'000}) {
      Register({Order::kRandom, 16, entries, threads});
    }
  }
}

}  // namespace
}  // namespace paceline::bench

int main(int argc, char** argv) {
  // Memory that was freed stays with the process.
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
  paceline::bench::RegisterAll();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
