#include "src/base/arena.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "src/base/sync.h"
#include "test/support/seed.h"

namespace paceline {
namespace {

struct Piece {
  char* memory;
  size_t size;
};

// Mostly small sizes, as entries of a memtable have; some larger than a block.
size_t RandomSize(std::mt19937_64* random) {
  switch ((*random)() % 1000) {
    case 0:
      return 1 + (*random)() % 3'000'000;
    case 1:
    case 2:
      return 1 + (*random)() % 300'000;
    default:
      return 1 + (*random)() % 300;
  }
}

void ExpectDisjoint(std::vector<Piece> pieces) {
  std::sort(pieces.begin(), pieces.end(),
            [](const Piece& a, const Piece& b) { return a.memory < b.memory; });
  for (size_t i = 1; i < pieces.size(); ++i) {
    ASSERT_LE(pieces[i - 1].memory + pieces[i - 1].size, pieces[i].memory);
  }
}

TEST(ArenaTest, TakesNothingBeforeItIsUsed) {
  Arena arena;
  EXPECT_EQ(arena.MemoryUsage(), 0U);
  EXPECT_EQ(arena.AllocatedBytes(), 0U);
}

TEST(ArenaTest, PiecesAreAlignedDisjointAndWritable) {
  std::mt19937_64 random(TestSeed());
  Arena arena;
  std::vector<Piece> pieces;
  for (int i = 0; i < 5000; ++i) {
    const size_t size = RandomSize(&random);
    char* memory = arena.Allocate(size);
    ASSERT_EQ(reinterpret_cast<uintptr_t>(memory) % 8, 0U);
    std::memset(memory, i, size);
    pieces.push_back({memory, size});
  }
  ExpectDisjoint(pieces);
  for (size_t i = 0; i < pieces.size(); ++i) {
    const auto expected = static_cast<char>(i);
    ASSERT_EQ(pieces[i].memory[0], expected);
    ASSERT_EQ(pieces[i].memory[pieces[i].size - 1], expected);
  }
}

TEST(ArenaTest, CountsWhatWasHandedOutAndWhatWasTaken) {
  Arena arena;
  size_t handed_out = 0;
  for (size_t size : {8, 80, 4096, 300'000, 16, 5'000'000, 24}) {
    static_cast<void>(arena.Allocate(size));
    handed_out += size;
    EXPECT_GE(arena.AllocatedBytes(), handed_out);
    EXPECT_GE(arena.MemoryUsage(), arena.AllocatedBytes());
  }
}

TEST(ArenaTest, TakesLittleMoreThanItHandsOut) {
  for (const size_t size : {120, 4096, 5000, 200'000, 300'000, 1'500'000}) {
    Arena arena;
    size_t handed_out = 0;
    for (; handed_out < 30'000'000; handed_out += size) {
      static_cast<void>(arena.Allocate(size));
    }
    // At most one unused block, and the ends of the others.
    EXPECT_LE(arena.MemoryUsage(), handed_out + handed_out / 6) << size;
  }
}

// A size for searched pieces, and one for what is filled at once.
TEST(ArenaTest, ArenasUseTheSameBlocksWhateverTheirPieces) {
  const auto blocks = std::make_shared<ArenaBlocks>();
  const auto fill = [&](size_t piece_bytes) {
    Arena arena(blocks);
    while (arena.AllocatedBytes() < 10 * ArenaBlocks::kBlockBytes) {
      static_cast<void>(arena.Allocate(piece_bytes));
    }
    return blocks->UnusedBytes();
  };
  fill(8000);
  const size_t unused = blocks->UnusedBytes();
  EXPECT_GE(unused, 8 * ArenaBlocks::kBlockBytes);
  for (const size_t piece_bytes : {100, 8000, 100, 70'000}) {
    EXPECT_LE(fill(piece_bytes), 2 * ArenaBlocks::kBlockBytes);
    EXPECT_LE(blocks->UnusedBytes(), unused + 2 * ArenaBlocks::kBlockBytes);
  }
}

// What is handed out up to a multiple of a large block needs no block more.
TEST(ArenaTest, SmallBlocksMakeUpALargeOne) {
  Arena arena;
  constexpr size_t kPieceBytes = 128;
  constexpr size_t kLarge = ArenaBlocks::kBlockBytes;
  for (size_t large = 1; large <= 4; ++large) {
    for (size_t i = 0; i < kLarge / kPieceBytes; ++i) {
      static_cast<void>(arena.Allocate(kPieceBytes));
    }
    EXPECT_EQ(arena.AllocatedBytes(), large * kLarge);
    EXPECT_EQ(arena.MemoryUsage(), large * kLarge);
  }
}

TEST(ArenaTest, ThreadsGetDisjointPieces) {
  constexpr int kThreads = 4;
  constexpr int kPiecesEach = 20'000;
  Arena arena;
  std::vector<std::vector<Piece>> pieces(kThreads);
  std::vector<Thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&arena, &mine = pieces[static_cast<size_t>(t)], t] {
      std::mt19937_64 random(TestSeed() + static_cast<uint64_t>(t));
      for (int i = 0; i < kPiecesEach; ++i) {
        const size_t size = 1 + random() % 500;
        char* memory = arena.Allocate(size);
        std::memset(memory, t + 1, size);
        mine.push_back({memory, size});
      }
    });
  }
  for (Thread& thread : threads) thread.join();

  std::vector<Piece> all;
  for (int t = 0; t < kThreads; ++t) {
    for (const Piece& piece : pieces[static_cast<size_t>(t)]) {
      ASSERT_TRUE(std::all_of(piece.memory, piece.memory + piece.size,
                              [t](char c) { return c == t + 1; }));
      all.push_back(piece);
    }
  }
  ExpectDisjoint(std::move(all));
  EXPECT_GE(arena.MemoryUsage(), arena.AllocatedBytes());
}

}  // namespace
}  // namespace paceline
