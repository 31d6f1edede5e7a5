#include "bench/engine.h"

namespace paceline::bench {

std::vector<EngineType> EngineTypes() {
  std::vector<EngineType> types;
#ifdef PACELINE_BENCH_PACELINE
  types.push_back(PacelineEngine());
#endif
#ifdef PACELINE_BENCH_ROCKSDB
  types.push_back(RocksDBEngine());
#endif
#ifdef PACELINE_BENCH_LEVELDB
  types.push_back(LevelDBEngine());
#endif
#ifdef PACELINE_BENCH_LMDB
  types.push_back(LMDBEngine());
#endif
  return types;
}

}  // namespace paceline::bench
