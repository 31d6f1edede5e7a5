// Tests of the cache that NewLRUCache() makes.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/base/sync.h"
#include "src/table/block.h"
#include "src/table/block_builder.h"
#include "src/table/block_cache.h"
#include "src/table/block_memory.h"
#include "test/support/effort.h"
#include "test/support/seed.h"

namespace paceline {
namespace {

using ::testing::ElementsAre;

// Stands in for a Block, of which the cache only keeps the address.
struct FakeBlock {
  FakeBlock(uint64_t file, uint64_t at) : file_id(file), offset(at) {
    count.fetch_add(1);
  }
  ~FakeBlock() { count.fetch_sub(1); }

  const uint64_t file_id;
  const uint64_t offset;

  static Atomic<int> count;  // Of those alive.
};

Atomic<int> FakeBlock::count = 0;

std::shared_ptr<const Block> MakeBlock(uint64_t file_id, uint64_t offset) {
  auto fake = std::make_shared<FakeBlock>(file_id, offset);
  const auto* block = reinterpret_cast<const Block*>(fake.get());
  return {std::move(fake), block};
}

const FakeBlock& Fake(const std::shared_ptr<const Block>& block) {
  return *reinterpret_cast<const FakeBlock*>(block.get());
}

// Large enough for the overhead of an entry not to count.
constexpr size_t kBlockBytes = 64 << 10;

class LruCacheTest : public ::testing::Test {
 protected:
  // One shard with room for `blocks` blocks.
  void MakeCache(size_t blocks) {
    cache_ = AsBlockCache(NewLRUCache(Bytes(blocks), 0));
    ASSERT_NE(cache_, nullptr);
    file_id_ = cache_->NewFileId();
  }
  static size_t Bytes(size_t blocks) {
    return blocks * kBlockBytes + kBlockBytes / 2;
  }

  void Insert(uint64_t offset) {
    cache_->Insert(file_id_, offset, MakeBlock(file_id_, offset), kBlockBytes);
  }
  bool Use(uint64_t offset) {
    return cache_->Lookup(file_id_, offset) != nullptr;
  }
  // Which of the blocks 0 to `end` - 1 are there.
  std::vector<uint64_t> Held(uint64_t end) {
    std::vector<uint64_t> held;
    for (uint64_t offset = 0; offset < end; ++offset) {
      if (Use(offset)) held.push_back(offset);
    }
    return held;
  }

  std::shared_ptr<BlockCache> cache_;
  uint64_t file_id_ = 0;
};

TEST_F(LruCacheTest, FindsWhatWasInserted) {
  MakeCache(4);
  Insert(7);
  std::shared_ptr<const Block> block = cache_->Lookup(file_id_, 7);
  ASSERT_NE(block, nullptr);
  EXPECT_EQ(Fake(block).offset, 7u);
  EXPECT_EQ(cache_->Lookup(file_id_, 8), nullptr);
  EXPECT_EQ(cache_->Lookup(file_id_ + 1, 7), nullptr);
  EXPECT_EQ(cache_->hits(), 1u);
  EXPECT_EQ(cache_->misses(), 2u);
}

TEST_F(LruCacheTest, FileIdsAreGivenOnce) {
  MakeCache(1);
  EXPECT_NE(cache_->NewFileId(), cache_->NewFileId());
  EXPECT_NE(cache_->NewFileId(), file_id_);
}

TEST_F(LruCacheTest, TheFirstBlockOfAPlaceStays) {
  MakeCache(4);
  Insert(1);
  std::shared_ptr<const Block> first = cache_->Lookup(file_id_, 1);
  const size_t usage = cache_->GetUsage();
  Insert(1);
  EXPECT_EQ(cache_->Lookup(file_id_, 1), first);
  EXPECT_EQ(cache_->GetUsage(), usage);
}

TEST_F(LruCacheTest, BlocksThatWereReadOnceGoOldestFirst) {
  MakeCache(3);
  for (uint64_t offset = 0; offset < 5; ++offset) Insert(offset);
  EXPECT_THAT(Held(5), ElementsAre(2, 3, 4));
}

TEST_F(LruCacheTest, AUsedBlockOutlivesOlderAndNewerOnes) {
  MakeCache(4);
  for (uint64_t offset = 0; offset < 4; ++offset) Insert(offset);
  EXPECT_TRUE(Use(1));
  Insert(4);
  Insert(5);
  EXPECT_THAT(Held(6), ElementsAre(1, 3, 4, 5));
}

TEST_F(LruCacheTest, OfUsedBlocksTheOneNotUsedForLongestGoesFirst) {
  MakeCache(10);
  for (uint64_t offset = 0; offset < 10; ++offset) Insert(offset);
  // Eight fit among the protected: 0 and 1 are on probation again, behind 8
  // and 9.
  for (uint64_t offset : {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}) Use(offset);
  Use(2);
  Insert(10);
  EXPECT_EQ(Held(1).size(), 0u);
  Insert(11);
  EXPECT_FALSE(Use(1));
  for (uint64_t offset = 2; offset < 12; ++offset) {
    EXPECT_TRUE(Use(offset)) << offset;
  }
}

TEST_F(LruCacheTest, AScanDoesNotPushOutWhatIsUsedRepeatedly) {
  MakeCache(100);
  for (uint64_t offset = 0; offset < 60; ++offset) {
    Insert(offset);
    Use(offset);
  }
  for (uint64_t offset = 1000; offset < 3000; ++offset) {
    EXPECT_FALSE(Use(offset));
    Insert(offset);
  }
  EXPECT_EQ(Held(60).size(), 60u);
}

TEST_F(LruCacheTest, ANewWorkingSetReplacesTheOldOne) {
  MakeCache(100);
  for (uint64_t offset = 0; offset < 80; ++offset) {
    Insert(offset);
    Use(offset);
  }
  for (int round = 0; round < 3; ++round) {
    for (uint64_t offset = 100; offset < 180; ++offset) {
      if (!Use(offset)) {
        Insert(offset);
        Use(offset);
      }
    }
  }
  EXPECT_EQ(Held(180).size(), 100u);
  for (uint64_t offset = 100; offset < 180; ++offset) {
    EXPECT_TRUE(Use(offset)) << offset;
  }
}

TEST_F(LruCacheTest, EachEntryIsChargedMoreThanItsBlock) {
  MakeCache(100);
  EXPECT_EQ(cache_->GetUsage(), 0u);
  Insert(0);
  const size_t one = cache_->GetUsage();
  EXPECT_GT(one, kBlockBytes + sizeof(void*) * 8);
  EXPECT_LT(one, kBlockBytes + 512);
  Insert(1);
  const size_t two = cache_->GetUsage();
  for (uint64_t offset = 2; offset < 50; ++offset) Insert(offset);
  EXPECT_EQ(cache_->GetUsage(), one + 49 * (two - one));
}

TEST_F(LruCacheTest, UsageNeverExceedsTheCapacity) {
  constexpr size_t kCapacity = 1'000'000;
  cache_ = AsBlockCache(NewLRUCache(kCapacity, 2));
  TestRandom random(TestSeed());
  size_t largest = 0;
  for (uint64_t offset = 0; offset < 10'000; ++offset) {
    cache_->Insert(random.Below(20), offset, MakeBlock(0, offset),
                   random.Below(5'000));
    if (random.OneIn(2)) cache_->Lookup(random.Below(20), offset);
    largest = std::max(largest, cache_->GetUsage());
  }
  EXPECT_LE(largest, kCapacity);
  EXPECT_GT(largest, kCapacity - 4 * 5'500);
}

TEST_F(LruCacheTest, BlocksInUseCountAsPinned) {
  MakeCache(10);
  for (uint64_t offset = 0; offset < 4; ++offset) Insert(offset);
  EXPECT_EQ(cache_->GetPinnedUsage(), 0u);
  std::shared_ptr<const Block> first = cache_->Lookup(file_id_, 1);
  const size_t one = cache_->GetPinnedUsage();
  EXPECT_GE(one, kBlockBytes);
  std::shared_ptr<const Block> second = cache_->Lookup(file_id_, 3);
  EXPECT_EQ(cache_->GetPinnedUsage(), 2 * one);
  first.reset();
  second.reset();
  EXPECT_EQ(cache_->GetPinnedUsage(), 0u);
}

TEST_F(LruCacheTest, ABlockInUseOutlivesItsPlace) {
  MakeCache(2);
  Insert(0);
  std::shared_ptr<const Block> block = cache_->Lookup(file_id_, 0);
  cache_->SetCapacity(0);
  EXPECT_EQ(cache_->GetUsage(), 0u);
  EXPECT_FALSE(Use(0));
  EXPECT_EQ(Fake(block).offset, 0u);
  cache_.reset();
  EXPECT_EQ(FakeBlock::count.load(), 1);
  block.reset();
  EXPECT_EQ(FakeBlock::count.load(), 0);
}

TEST_F(LruCacheTest, ASmallerCapacityPushesOutAtOnce) {
  MakeCache(10);
  for (uint64_t offset = 0; offset < 10; ++offset) Insert(offset);
  Use(0);
  cache_->SetCapacity(Bytes(3));
  EXPECT_EQ(cache_->GetCapacity(), Bytes(3));
  EXPECT_LE(cache_->GetUsage(), Bytes(3));
  EXPECT_EQ(FakeBlock::count.load(), 3);
  EXPECT_THAT(Held(10), ElementsAre(0, 8, 9));
  cache_->SetCapacity(Bytes(10));
  for (uint64_t offset = 10; offset < 20; ++offset) Insert(offset);
  EXPECT_EQ(FakeBlock::count.load(), 10);
}

TEST_F(LruCacheTest, BlocksGiveWayToWhatIsReserved) {
  MakeCache(10);
  for (uint64_t offset = 0; offset < 10; ++offset) Insert(offset);
  {
    const CacheReservation index(cache_, 2 * kBlockBytes);
    const CacheReservation filter(cache_, kBlockBytes);
    EXPECT_EQ(FakeBlock::count.load(), 7);
    EXPECT_GE(cache_->GetUsage(), 10 * kBlockBytes);
    EXPECT_LE(cache_->GetUsage(), cache_->GetCapacity());
    for (uint64_t offset = 10; offset < 20; ++offset) Insert(offset);
    EXPECT_EQ(FakeBlock::count.load(), 7);
  }
  EXPECT_LE(cache_->GetUsage(), 8 * kBlockBytes) << "nothing is reserved";
}

TEST_F(LruCacheTest, BlocksGetTheRoomOfWhatWentAwaySlowly) {
  MakeCache(10);
  { const CacheReservation table(cache_, 3 * kBlockBytes); }
  for (uint64_t offset = 0; offset < 20; ++offset) Insert(offset);
  EXPECT_EQ(FakeBlock::count.load(), 7) << "there may soon be another one";
  const CacheReservation next(cache_, 2 * kBlockBytes);
  EXPECT_EQ(FakeBlock::count.load(), 7) << "which needs no block's room";
  for (uint64_t offset = 20; offset < 1000; ++offset) Insert(offset);
  EXPECT_EQ(FakeBlock::count.load(), 8) << "all but what is reserved";
}

TEST_F(LruCacheTest, AReservationGrowsAndIsGivenBackWhole) {
  MakeCache(10);
  for (uint64_t offset = 0; offset < 10; ++offset) Insert(offset);
  {
    CacheReservation growing(cache_, 0);
    EXPECT_EQ(FakeBlock::count.load(), 10);
    growing.GrowTo(2 * kBlockBytes);
    EXPECT_EQ(FakeBlock::count.load(), 8);
    growing.GrowTo(kBlockBytes);
    growing.GrowTo(4 * kBlockBytes);
    EXPECT_EQ(FakeBlock::count.load(), 6);
    EXPECT_GE(cache_->GetUsage(), 10 * kBlockBytes);
  }
  EXPECT_LT(cache_->GetUsage(), 7 * kBlockBytes);
}

TEST_F(LruCacheTest, BlocksKeepHalfHoweverMuchIsReserved) {
  MakeCache(10);
  for (uint64_t offset = 0; offset < 10; ++offset) Insert(offset);
  const CacheReservation large(cache_, 100 * kBlockBytes);
  EXPECT_EQ(FakeBlock::count.load(), 5);
  EXPECT_LE(cache_->GetUsage(), cache_->GetCapacity());
  cache_->SetCapacity(Bytes(20));
  for (uint64_t offset = 10; offset < 40; ++offset) Insert(offset);
  EXPECT_EQ(FakeBlock::count.load(), 10) << "half of what there is now";
  EXPECT_EQ(cache_->GetCapacity(), Bytes(20));
}

// A block with one entry, of which `offset` is the key.
std::shared_ptr<const Block> RealBlock(uint64_t offset) {
  BlockBuilder builder(/*restart_interval=*/1);
  builder.Add(std::to_string(offset), std::string(4000, 'v'));
  BlockBuffer contents;
  EXPECT_TRUE(contents.Assign(builder.Finish()));
  return *Block::Parse(std::move(contents), Block::Kind::kData);
}

std::string OnlyKey(const Block& block) {
  BlockIterator iterator(&block);
  iterator.SeekToFirst();
  return iterator.Valid() ? iterator.key().ToString() : "";
}

constexpr uint64_t kRealBlocks = 5000;

TEST_F(LruCacheTest, MemoryOfBlocksThatGiveWayReturnsToTheSystem) {
  cache_ = AsBlockCache(NewLRUCache(64 << 20, 2));
  file_id_ = cache_->NewFileId();
  for (uint64_t offset = 0; offset < kRealBlocks; ++offset) {
    const auto block = RealBlock(offset);
    cache_->Insert(file_id_, offset, block, block->MemoryUsage());
  }
  // Those that are not used go, and leave holes everywhere.
  for (uint64_t offset = 0; offset < kRealBlocks; offset += 2) Use(offset);
  const std::shared_ptr<const Block> held = cache_->Lookup(file_id_, 1000);
  const char* const held_at = held->data();
  const BlockMemory* memory = BlockMemory::Shared();
  const size_t before = memory->SlabBytes();
  cache_->SetCapacity(cache_->GetUsage());
  const CacheReservation table(cache_, cache_->GetCapacity() / 2 + 4096);
  EXPECT_LE(memory->SlabBytes(), before / 3 * 2);
  uint64_t found = 0;
  for (uint64_t offset = 0; offset < kRealBlocks; ++offset) {
    const auto block = cache_->Lookup(file_id_, offset);
    if (block == nullptr) continue;
    ++found;
    ASSERT_EQ(OnlyKey(*block), std::to_string(offset));
  }
  EXPECT_GE(found, kRealBlocks / 3);
  EXPECT_EQ(held->data(), held_at);
  EXPECT_EQ(cache_->Lookup(file_id_, 1000), held) << "it was in use";
}

TEST_F(LruCacheTest, BlocksAreReadWhileOthersMove) {
  cache_ = AsBlockCache(NewLRUCache(64 << 20, 2));
  file_id_ = cache_->NewFileId();
  Atomic<bool> is_over = false;
  std::vector<std::thread> readers;
  for (uint64_t t = 0; t < 2; ++t) {
    readers.emplace_back([&, t] {
      TestRandom random(t + 1);
      while (!is_over.load()) {
        const uint64_t offset = random.Below(kRealBlocks);
        auto block = cache_->Lookup(file_id_, offset);
        if (block == nullptr) {
          block = RealBlock(offset);
          cache_->Insert(file_id_, offset, block, block->MemoryUsage());
        }
        ASSERT_EQ(OnlyKey(*block), std::to_string(offset));
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    for (uint64_t offset = 0; offset < kRealBlocks; ++offset) {
      const auto block = RealBlock(offset);
      cache_->Insert(file_id_, offset, block, block->MemoryUsage());
    }
    cache_->SetCapacity(5 << 20);
    cache_->SetCapacity(64 << 20);
  }
  is_over.store(true);
  for (std::thread& reader : readers) reader.join();
}

TEST_F(LruCacheTest, WithoutACacheNothingIsReserved) {
  const CacheReservation nothing(nullptr, 1);
}

TEST_F(LruCacheTest, ABlockLargerThanAShardIsNotKept) {
  MakeCache(4);
  Insert(0);
  cache_->Insert(file_id_, 1, MakeBlock(file_id_, 1), Bytes(4));
  EXPECT_FALSE(Use(1));
  EXPECT_TRUE(Use(0));
  EXPECT_EQ(FakeBlock::count.load(), 1);
}

TEST_F(LruCacheTest, ErasingAFileLeavesTheOthers) {
  cache_ = AsBlockCache(NewLRUCache(Bytes(1000), 3));
  const uint64_t kept = cache_->NewFileId();
  const uint64_t gone = cache_->NewFileId();
  for (uint64_t offset = 0; offset < 100; ++offset) {
    for (uint64_t file_id : {kept, gone}) {
      cache_->Insert(file_id, offset, MakeBlock(file_id, offset), kBlockBytes);
      if (offset % 3 == 0) cache_->Lookup(file_id, offset);
    }
  }
  const size_t usage = cache_->GetUsage();
  cache_->EraseFile(gone);
  EXPECT_EQ(cache_->GetUsage(), usage / 2);
  EXPECT_EQ(FakeBlock::count.load(), 100);
  for (uint64_t offset = 0; offset < 100; ++offset) {
    EXPECT_NE(cache_->Lookup(kept, offset), nullptr);
    EXPECT_EQ(cache_->Lookup(gone, offset), nullptr);
  }
  cache_->EraseFile(kept);
  EXPECT_EQ(cache_->GetUsage(), 0u);
}

TEST_F(LruCacheTest, ManyBlocksAreFoundAmongMany) {
  cache_ = AsBlockCache(NewLRUCache(64 << 20, 1));
  for (uint64_t offset = 0; offset < 20'000; ++offset) {
    cache_->Insert(offset % 7, offset, MakeBlock(offset % 7, offset), 100);
  }
  for (uint64_t offset = 0; offset < 20'000; ++offset) {
    std::shared_ptr<const Block> block = cache_->Lookup(offset % 7, offset);
    ASSERT_NE(block, nullptr) << offset;
    EXPECT_EQ(Fake(block).offset, offset);
  }
}

TEST_F(LruCacheTest, TooManyShardsAreRefused) {
  EXPECT_EQ(NewLRUCache(1 << 20, 20), nullptr);
  EXPECT_NE(NewLRUCache(1 << 20, 4), nullptr);
}

TEST_F(LruCacheTest, ASmallCacheIsNotCutIntoShards) {
  cache_ = AsBlockCache(NewLRUCache(600 << 10));
  cache_->Insert(1, 0, MakeBlock(1, 0), 500 << 10);
  EXPECT_NE(cache_->Lookup(1, 0), nullptr);
}

TEST_F(LruCacheTest, OtherKindsOfCachesAreNotBlockCaches) {
  class OtherCache final : public Cache {
    const char* Name() const override { return "other"; }
    size_t GetCapacity() const override { return 0; }
    void SetCapacity(size_t) override {}
    size_t GetUsage() const override { return 0; }
    size_t GetPinnedUsage() const override { return 0; }
  };
  EXPECT_EQ(AsBlockCache(std::make_shared<OtherCache>()), nullptr);
  EXPECT_EQ(AsBlockCache(nullptr), nullptr);
}

TEST_F(LruCacheTest, ManyThreadsFindOnlyTheRightBlocks) {
  constexpr size_t kCapacity = 400'000;
  cache_ = AsBlockCache(NewLRUCache(kCapacity, 1));
  const uint64_t operations =
      Effort("PACELINE_CACHE_OPERATIONS", 200'000, 20'000);
  Atomic<uint64_t> lookups = 0;

  auto run = [&](uint64_t thread) {
    TestRandom random(TestSeed() + thread);
    uint64_t lookups_here = 0;
    for (uint64_t i = 0; i < operations; ++i) {
      // Most are among the first few, so that some become protected.
      const uint64_t file_id = random.Below(4);
      const uint64_t offset = random.Below(1 + random.Below(200));
      std::shared_ptr<const Block> block = cache_->Lookup(file_id, offset);
      ++lookups_here;
      if (block == nullptr) {
        cache_->Insert(file_id, offset, MakeBlock(file_id, offset),
                       500 + offset * 10);
      } else {
        ASSERT_EQ(Fake(block).file_id, file_id);
        ASSERT_EQ(Fake(block).offset, offset);
      }
      if (random.OneIn(1'000)) cache_->EraseFile(random.Below(4));
      if (random.OneIn(1'000)) {
        cache_->SetCapacity(kCapacity / (1 + random.Below(4)));
        ASSERT_LE(cache_->GetPinnedUsage(), kCapacity);
        ASSERT_LE(cache_->GetUsage(), kCapacity);
      }
    }
    lookups.fetch_add(lookups_here);
  };
  std::vector<std::thread> threads;
  for (uint64_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back(run, thread);
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(cache_->hits() + cache_->misses(), lookups.load());
  for (uint64_t file_id = 0; file_id < 4; ++file_id) {
    cache_->EraseFile(file_id);
  }
  EXPECT_EQ(cache_->GetUsage(), 0u);
  EXPECT_EQ(FakeBlock::count.load(), 0);
}

}  // namespace
}  // namespace paceline
