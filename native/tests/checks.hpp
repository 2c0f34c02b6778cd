#pragma once
// What the engine's tests share: a failed CHECK prints where and is counted.

#include <cstdio>
#include <numeric>

#include "raddle/simulation.hpp"

namespace raddle::testing {

inline int failures = 0;

#define CHECK(claim)                                                   \
  do {                                                                 \
    if (!(claim)) {                                                    \
      std::printf("%s:%d: not true: %s\n", __FILE__, __LINE__, #claim); \
      ++raddle::testing::failures;                                     \
    }                                                                  \
  } while (false)

// What main returns.
inline int verdict() {
  if (failures == 0) {
    std::printf("all checks passed\n");
  } else {
    std::printf("%d checks failed\n", failures);
  }
  return failures != 0;
}

inline void run(Simulation& simulation) {
  while (!simulation.is_done() && simulation.has_events()) simulation.advance(never, 100'000);
}

inline std::uint64_t total(const std::vector<std::uint64_t>& counts) {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

inline std::uint64_t total_drops(const Simulation& simulation) { return total(simulation.drops()); }
inline std::uint64_t total_pauses(const Simulation& simulation) { return total(simulation.pauses()); }

inline std::uint64_t drops_for(const Simulation& simulation, DropReason reason) {
  std::uint64_t count = 0;
  for (std::size_t i = static_cast<std::size_t>(reason); i < simulation.drops().size(); i += drop_reasons) {
    count += simulation.drops()[i];
  }
  return count;
}

inline void conserves_packets(const Simulation& simulation) {
  CHECK(simulation.injected() == simulation.delivered() + simulation.dropped() + simulation.in_network());
}

}  // namespace raddle::testing
