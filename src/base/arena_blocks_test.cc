#include "src/base/arena_blocks.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "src/base/sync.h"

namespace paceline {
namespace {

constexpr size_t kBytes = ArenaBlocks::kBlockBytes;

std::vector<char*> TakeMany(ArenaBlocks* blocks, size_t count) {
  std::vector<char*> taken;
  for (size_t i = 0; i < count; ++i) {
    taken.push_back(blocks->Take());
    std::memset(taken.back(), 1, kBytes);
  }
  return taken;
}

void GiveBackAll(ArenaBlocks* blocks, const std::vector<char*>& taken) {
  for (char* block : taken) blocks->GiveBack(block);
}

bool IsMapped(char* block) {
  std::vector<unsigned char> resident(kBytes / 4096);
  return mincore(block, kBytes, resident.data()) == 0;
}

TEST(ArenaBlocksTest, BlocksAreAlignedAndDisjoint) {
  ArenaBlocks blocks;
  std::vector<char*> taken = TakeMany(&blocks, 11);
  std::sort(taken.begin(), taken.end());
  for (size_t i = 0; i < taken.size(); ++i) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(taken[i]) % kBytes, 0U);
    if (i > 0) {
      EXPECT_GE(taken[i], taken[i - 1] + kBytes);
    }
  }
  EXPECT_EQ(blocks.UnusedBytes(), 0U);
  GiveBackAll(&blocks, taken);
}

TEST(ArenaBlocksTest, WhatOneGivesBackTheNextTakes) {
  ArenaBlocks blocks;
  const std::vector<char*> first = TakeMany(&blocks, 7);
  GiveBackAll(&blocks, first);
  EXPECT_EQ(blocks.UnusedBytes(), 7 * kBytes);
  const std::vector<char*> second = TakeMany(&blocks, 7);
  EXPECT_EQ(blocks.UnusedBytes(), 0U);
  const std::set<char*> before(first.begin(), first.end());
  for (char* block : second) EXPECT_EQ(before.count(block), 1U);
  GiveBackAll(&blocks, second);
}

TEST(ArenaBlocksTest, ThereAreNeverMoreThanWereInUseAtOnce) {
  ArenaBlocks blocks;
  std::vector<char*> taken = TakeMany(&blocks, 6);
  size_t peak = taken.size();
  for (size_t turn = 0; turn < 50; ++turn) {
    const size_t count = turn % 7;
    const auto middle =
        taken.end() - static_cast<ptrdiff_t>(std::min(count, taken.size()));
    GiveBackAll(&blocks, {middle, taken.end()});
    taken.erase(middle, taken.end());
    const std::vector<char*> more = TakeMany(&blocks, turn % 4);
    taken.insert(taken.end(), more.begin(), more.end());
    peak = std::max(peak, taken.size());
    EXPECT_LE(taken.size() * kBytes + blocks.UnusedBytes(), peak * kBytes);
  }
  GiveBackAll(&blocks, taken);
}

TEST(ArenaBlocksTest, APeakIsForgottenAndItsBlocksReturnToTheSystem) {
  ArenaBlocks blocks;
  const std::vector<char*> taken = TakeMany(&blocks, 20);
  GiveBackAll(&blocks, taken);
  EXPECT_EQ(blocks.UnusedBytes(), 20 * kBytes);
  for (char* block : taken) EXPECT_TRUE(IsMapped(block));
  // The period that the peak is in ends after 8 times as many as that, the next
  // one after 8 times as many as are in use then.
  for (size_t i = 0; i < 8 * 20 + 8 * 2; ++i) {
    GiveBackAll(&blocks, TakeMany(&blocks, 2));
  }
  EXPECT_EQ(blocks.UnusedBytes(), 2 * kBytes);
  EXPECT_EQ(std::count_if(taken.begin(), taken.end(), IsMapped), 2);
}

TEST(ArenaBlocksTest, OneIsPreparedWhereAllAreInUse) {
  ArenaBlocks blocks;
  blocks.PrepareAhead(100 * kBytes);
  EXPECT_EQ(blocks.UnusedBytes(), 0U) << "nobody uses any";
  std::vector<char*> taken = TakeMany(&blocks, 3);
  blocks.PrepareAhead(3 * kBytes);
  EXPECT_EQ(blocks.UnusedBytes(), 0U) << "more than the most there may be";
  for (int i = 0; i < 2; ++i) {
    blocks.PrepareAhead(100 * kBytes);
    EXPECT_EQ(blocks.UnusedBytes(), kBytes);
  }
  char* prepared = blocks.Take();
  EXPECT_EQ(blocks.UnusedBytes(), 0U);
  std::vector<unsigned char> resident(kBytes / 4096);
  ASSERT_EQ(mincore(prepared, kBytes, resident.data()), 0);
  for (unsigned char page : resident) EXPECT_EQ(page & 1, 1);
  taken.push_back(prepared);
  GiveBackAll(&blocks, taken);
  EXPECT_EQ(blocks.UnusedBytes(), 4 * kBytes);
}

TEST(ArenaBlocksTest, NoneIsPreparedForWhoFillsItAtOnce) {
  ArenaBlocks blocks;
  std::vector<char*> taken = {blocks.Take(ArenaBlocks::Pages::kSmall)};
  blocks.PrepareAhead(100 * kBytes);
  EXPECT_EQ(blocks.UnusedBytes(), 0U);
  taken.push_back(blocks.Take(ArenaBlocks::Pages::kHuge));
  blocks.PrepareAhead(100 * kBytes);
  EXPECT_EQ(blocks.UnusedBytes(), kBytes);
  for (char* block : taken) blocks.GiveBack(block);
}

TEST(ArenaBlocksTest, AllReturnToTheSystemAtTheEnd) {
  std::vector<char*> taken;
  {
    ArenaBlocks blocks;
    taken = TakeMany(&blocks, 4);
    GiveBackAll(&blocks, taken);
    for (char* block : taken) EXPECT_TRUE(IsMapped(block));
  }
  for (char* block : taken) EXPECT_FALSE(IsMapped(block));
}

TEST(ArenaBlocksTest, ThreadsGetDifferentBlocks) {
  ArenaBlocks blocks;
  std::vector<Thread> threads;
  Atomic<int> mixed_up = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&blocks, &mixed_up, t] {
      for (int turn = 0; turn < 100; ++turn) {
        std::vector<char*> mine;
        for (int i = 0; i <= (turn + t) % 3; ++i) {
          mine.push_back(blocks.Take());
          std::memset(mine.back(), t, 4096);
        }
        for (char* block : mine) {
          if (!std::all_of(block, block + 4096,
                           [t](char c) { return c == t; })) {
            mixed_up.fetch_add(1);
          }
          blocks.GiveBack(block);
        }
      }
    });
  }
  for (Thread& thread : threads) thread.join();
  EXPECT_EQ(mixed_up.load(), 0);
}

}  // namespace
}  // namespace paceline
