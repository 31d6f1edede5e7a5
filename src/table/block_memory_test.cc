#include "src/table/block_memory.h"

#include <cstring>
#include <deque>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "test/support/seed.h"

namespace paceline {
namespace {

TEST(BlockMemoryTest, ACapacityIsAtLeastTheSizeAndLittleMore) {
  for (size_t size = 0; size <= 200'000; ++size) {
    const size_t capacity = BlockMemory::Capacity(size);
    ASSERT_GE(capacity, size);
    if (size > 512) {
      ASSERT_LE(capacity, size + size / 32 + 1) << size;
    }
    ASSERT_EQ(BlockMemory::Capacity(capacity), capacity);
  }
}

TEST(BlockMemoryTest, PiecesOfEachSizeDoNotOverlap) {
  BlockMemory memory;
  const uint64_t seed = TestSeed();
  TestRandom random(seed);
  std::map<char*, std::pair<size_t, char>> live;
  for (int i = 0; i < 20'000; ++i) {
    if (live.size() < 500 || random.OneIn(2)) {
      const size_t size = 1 + random.Below(random.OneIn(50) ? 200'000 : 9'000);
      char* piece = memory.Allocate(size);
      ASSERT_NE(piece, nullptr);
      const char mark = static_cast<char>(random.Below(256));
      std::memset(piece, mark, size);
      ASSERT_TRUE(live.try_emplace(piece, size, mark).second);
    } else {
      auto some =
          live.lower_bound(live.begin()->first +
                           random.Below(static_cast<uint64_t>(
                               live.rbegin()->first - live.begin()->first)));
      if (some == live.end()) some = live.begin();
      const auto [size, mark] = some->second;
      ASSERT_EQ(std::string(some->first, size), std::string(size, mark));
      memory.Free(some->first, size);
      live.erase(some);
    }
  }
  for (const auto& [piece, what] : live) {
    ASSERT_EQ(std::string(piece, what.first),
              std::string(what.first, what.second));
    memory.Free(piece, what.first);
  }
}

TEST(BlockMemoryTest, WhatOneThreadDropsAnotherOneTakes) {
  BlockMemory memory;
  std::deque<char*> pieces;
  auto replace_all = [&] {
    for (int i = 0; i < 1000; ++i) {
      pieces.push_back(memory.Allocate(4100));
      memory.Free(pieces.front(), 4100);
      pieces.pop_front();
    }
  };
  for (int i = 0; i < 1000; ++i) pieces.push_back(memory.Allocate(4100));
  const size_t bytes = memory.SlabBytes();
  EXPECT_LE(bytes, 1000 * BlockMemory::Capacity(4100) + (size_t{1} << 20));
  for (int i = 0; i < 5; ++i) std::thread(replace_all).join();
  EXPECT_LE(memory.SlabBytes(), bytes + (size_t{1} << 20));
  for (char* piece : pieces) memory.Free(piece, 4100);
}

TEST(BlockMemoryTest, SlabsWithoutBlocksReturnToTheSystem) {
  BlockMemory memory;
  std::vector<char*> pieces;
  for (int i = 0; i < 5000; ++i) pieces.push_back(memory.Allocate(4100));
  EXPECT_GE(memory.SlabBytes(), 5000u * 4100u);
  for (char* piece : pieces) memory.Free(piece, 4100);
  EXPECT_EQ(memory.SlabBytes(), size_t{1} << 20) << "one is kept";
}

// Pieces of 4100 bytes, some 240 to a slab, with a content of their own. Every
// `one_of`-th of `count` stays.
std::vector<char*> MakeHoles(BlockMemory* memory, int count, int one_of) {
  std::vector<char*> pieces;
  for (int i = 0; i < count; ++i) {
    pieces.push_back(memory->Allocate(4100));
    std::memset(pieces.back(), static_cast<char>(i), 4100);
  }
  std::vector<char*> left;
  for (int i = 0; i < count; ++i) {
    if (i % one_of == 0) {
      left.push_back(pieces[i]);
    } else {
      memory->Free(pieces[i], 4100);
    }
  }
  return left;
}

TEST(BlockMemoryTest, AMoveEmptiesSlabsWithHoles) {
  BlockMemory memory;
  std::vector<char*> pieces = MakeHoles(&memory, 6000, 3);
  const size_t before = memory.SlabBytes();
  ASSERT_GE(before, size_t{24} << 20) << "none of them is empty";
  std::vector<std::string> contents;
  for (char* piece : pieces) contents.emplace_back(piece, 4100);
  size_t left = 0;
  {
    const BlockMemory::Move move(&memory, &left);
    ASSERT_TRUE(move.has_begun());
    size_t others = 0;
    EXPECT_FALSE(BlockMemory::Move(&memory, &others).has_begun())
        << "one at a time";
    for (char*& piece : pieces) {
      if (!BlockMemory::Move::Concerns(piece, 4100)) continue;
      char* copy = memory.Allocate(4100);
      EXPECT_FALSE(BlockMemory::Move::Concerns(copy, 4100));
      std::memcpy(copy, piece, 4100);
      memory.Free(piece, 4100);
      piece = copy;
    }
  }
  EXPECT_LE(memory.SlabBytes(), before / 3 + (size_t{2} << 20));
  for (size_t i = 0; i < pieces.size(); ++i) {
    ASSERT_EQ(std::string(pieces[i], 4100), contents[i]);
  }
  EXPECT_FALSE(BlockMemory::Move(&memory, &left).has_begun())
      << "there are no holes";
  for (char* piece : pieces) memory.Free(piece, 4100);
  EXPECT_EQ(memory.SlabBytes(), size_t{1} << 20);
}

TEST(BlockMemoryTest, SlabsThatAMoveDidNotEmptyServeAgain) {
  BlockMemory memory;
  std::vector<char*> pieces = MakeHoles(&memory, 6000, 2);
  const size_t before = memory.SlabBytes();
  size_t left = 0;
  {
    const BlockMemory::Move move(&memory, &left);
    ASSERT_TRUE(move.has_begun());
    // Some go away meanwhile, nothing is moved.
    for (int i = 0; i < 1000; ++i) {
      memory.Free(pieces.back(), 4100);
      pieces.pop_back();
    }
  }
  for (char* piece : pieces) {
    EXPECT_FALSE(BlockMemory::Move::Concerns(piece, 4100));
  }
  while (pieces.size() < 6000) pieces.push_back(memory.Allocate(4100));
  EXPECT_LE(memory.SlabBytes(), before);
  for (char* piece : pieces) memory.Free(piece, 4100);
  EXPECT_EQ(memory.SlabBytes(), size_t{1} << 20);
}

TEST(BlockMemoryTest, OnlyWhatIsInSlabsIsMoved) {
  BlockMemory memory;
  for (const size_t size : {size_t{40'000}, size_t{200'000}}) {
    char* piece = memory.Allocate(size);
    EXPECT_FALSE(BlockMemory::Move::Concerns(piece, size));
    memory.Free(piece, size);
  }
  EXPECT_FALSE(BlockMemory::Move::Concerns(nullptr, 0));
  size_t left = 0;
  EXPECT_FALSE(BlockMemory::Move(&memory, &left).has_begun());
}

TEST(BlockMemoryTest, WhatAMoveLeftMakesNoOtherOneWorthIt) {
  BlockMemory memory;
  std::vector<char*> pieces = MakeHoles(&memory, 6000, 2);
  size_t left = 0;
  size_t others = 0;
  // Nothing can be moved.
  EXPECT_TRUE(BlockMemory::Move(&memory, &left).has_begun());
  EXPECT_GT(left, 0u);
  EXPECT_FALSE(BlockMemory::Move(&memory, &left).has_begun());
  EXPECT_TRUE(BlockMemory::Move(&memory, &others).has_begun())
      << "they may be of somebody else";
  // There are more holes.
  std::vector<char*> kept;
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (i % 2 == 0) {
      kept.push_back(pieces[i]);
    } else {
      memory.Free(pieces[i], 4100);
    }
  }
  pieces = kept;
  EXPECT_TRUE(BlockMemory::Move(&memory, &left).has_begun());
  // The holes are filled and come again.
  while (pieces.size() < 6000) pieces.push_back(memory.Allocate(4100));
  EXPECT_FALSE(BlockMemory::Move(&memory, &left).has_begun());
  for (size_t i = 0; i < pieces.size(); i += 2) {
    memory.Free(std::exchange(pieces[i], nullptr), 4100);
  }
  EXPECT_TRUE(BlockMemory::Move(&memory, &left).has_begun());
  for (char* piece : pieces) {
    if (piece != nullptr) memory.Free(piece, 4100);
  }
}

TEST(BlockMemoryTest, ManyThreadsShareIt) {
  BlockMemory memory;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&memory, t] {
      TestRandom random(static_cast<uint64_t>(t) + 1);
      std::deque<std::pair<char*, size_t>> mine;
      for (int i = 0; i < 5000; ++i) {
        const size_t size = 4000 + random.Below(200);
        char* piece = memory.Allocate(size);
        std::memset(piece, t, size);
        mine.emplace_back(piece, size);
        if (mine.size() < 50) continue;
        const auto [oldest, bytes] = mine.front();
        ASSERT_EQ(std::string(oldest, bytes),
                  std::string(bytes, static_cast<char>(t)));
        memory.Free(oldest, bytes);
        mine.pop_front();
      }
      for (const auto& [piece, size] : mine) memory.Free(piece, size);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace paceline
