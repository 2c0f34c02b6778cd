// Hops (link crossings of data and acknowledgements) per CPU second on a permutation between leaves.
// Usage: bench_permutation [leaves spines hosts_per_leaf bytes propagation_ps threads which train pinned]
// which: 1 only PFC, 2 only DCQCN (default: both). train: frames that go as one event (1). pinned: 1: no two flows up
// share a link (0).

#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "../tests/leaf_spine.hpp"

int main(int argc, char** argv) {
  using namespace raddle;
  const auto argument = [&](int i, long fallback) { return argc > i ? std::atol(argv[i]) : fallback; };
  const testing::LeafSpine fabric{.leaves = static_cast<NodeId>(argument(1, 8)),
                                  .spines = static_cast<NodeId>(argument(2, 16)),
                                  .hosts_per_leaf = static_cast<NodeId>(argument(3, 16)),
                                  .propagation = argument(5, 150'000)};
  const std::int64_t bytes = argument(4, 16L << 20);
  const auto threads = static_cast<unsigned>(argument(6, 1));
  const long which = argument(7, 3);
  const auto train = static_cast<std::uint32_t>(argument(8, 1));
  const bool is_pinned = argument(9, 0) != 0;
  for (const bool is_dcqcn : {false, true}) {
    if ((which & (is_dcqcn ? 2 : 1)) == 0) continue;
    NetworkConfig network = fabric.network();
    if (!is_dcqcn) network.nic.rate_control = LineRate::Parameters{};
    network.nic.train = train;
    Workload work;
    const NodeId hosts = fabric.hosts();
    for (NodeId h = 0; h < hosts; ++h) {
      testing::add_flow(work, h, (h + fabric.hosts_per_leaf * (1 + h % (fabric.leaves - 1))) % hosts, bytes);
    }
    Simulation simulation = testing::simulate(fabric, network, work, true, 30'000'000, is_pinned, threads);
    const std::clock_t begin = std::clock();
    const auto started = std::chrono::steady_clock::now();
    std::uint64_t events = 0, most_packets = 0;
    while (!simulation.is_done() && simulation.has_events()) {
      events += simulation.advance(never, 1'000'000);
      most_packets = std::max(most_packets, simulation.in_network());
    }
    const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - started;
    std::uint64_t hops = 0;
    for (const Queue& queue : simulation.queues()) hops += queue.tx_frames;
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    std::printf("permutation %-5s %u hosts %u threads: %.2f M hops, %.2f events per hop, %.3f CPU s, %.3f s, "
                "%.2f M hops per CPU s, %zu done, last %.3f us, up to %lu packets, %ld MB\n",
                is_dcqcn ? "DCQCN" : "PFC", hosts, threads, static_cast<double>(hops) / 1e6,
                static_cast<double>(events) / static_cast<double>(hops), seconds, wall.count(),
                static_cast<double>(hops) / 1e6 / seconds, simulation.flows_done(),
                static_cast<double>(simulation.now()) / 1e6, most_packets, usage.ru_maxrss / 1024);
  }
}
