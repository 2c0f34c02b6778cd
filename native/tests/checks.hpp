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

// Two runs of the same work, to the last counter.
inline bool are_equal(const Simulation& a, const Simulation& b) {
  const auto same_queue = [](const Queue& x, const Queue& y) {
    return x.tx_bytes == y.tx_bytes && x.tx_frames == y.tx_frames && x.max_bytes == y.max_bytes && x.bytes == y.bytes;
  };
  return a.now() == b.now() && a.flows().start == b.flows().start && a.flows().finish == b.flows().finish &&
         a.flows().acked == b.flows().acked && a.qps().cnps == b.qps().cnps && a.qps().drops == b.qps().drops &&
         a.qps().drop_port == b.qps().drop_port && a.qps().retransmitted == b.qps().retransmitted &&
         a.marks() == b.marks() && a.drops() == b.drops() && a.pauses() == b.pauses() &&
         a.pfc_sent() == b.pfc_sent() && a.pg_max_bytes() == b.pg_max_bytes() &&
         a.pause_time() == b.pause_time() && a.injected() == b.injected() && a.in_network() == b.in_network() &&
         std::equal(a.queues().begin(), a.queues().end(), b.queues().begin(), same_queue);
}

}  // namespace raddle::testing
