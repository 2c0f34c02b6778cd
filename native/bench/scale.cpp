// Memory and threads on a large fabric. Prints numbers for scripts/bench_engine.
// Usage: bench_scale run LEAVES SPINES HOSTS_PER_LEAF BYTES THREADS
//          a permutation between leaves: CPU s, wall s, peak bytes in all, most packets under way at once, bytes that
//          the run took beside what the network takes, digest of all results
//        bench_scale qps N
//          bytes of N queue pairs, each with a message

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <string>

#include "../tests/leaf_spine.hpp"

namespace {

using namespace raddle;

// The most that this process has had resident (Linux). getrusage would count the program that started it as well.
long peak_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    long kilobytes = 0;
    if (word == "VmHWM:" && status >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

// FNV-1a over what the flows and the queues have come to.
std::uint64_t digest(const Simulation& simulation) {
  std::uint64_t hash = 14'695'981'039'346'656'037U;
  const auto add = [&](std::uint64_t value) { hash = (hash ^ value) * 1'099'511'628'211U; };
  for (const Time time : simulation.flows().finish) add(static_cast<std::uint64_t>(time));
  for (const Time time : simulation.flows().acked) add(static_cast<std::uint64_t>(time));
  for (const std::uint64_t count : simulation.marks()) add(count);
  for (const Queue& queue : simulation.queues()) {
    add(queue.tx_frames);
    add(static_cast<std::uint64_t>(queue.max_bytes));
  }
  return hash;
}

int run(const testing::LeafSpine& fabric, std::int64_t bytes, unsigned threads) {
  Workload work;
  for (NodeId h = 0; h < fabric.hosts(); ++h) {
    const NodeId to = (h + fabric.hosts_per_leaf * (1 + h % (fabric.leaves - 1))) % fabric.hosts();
    testing::add_flow(work, h, to, bytes);
  }
  Simulation simulation = testing::simulate(fabric, fabric.network(), work, true, 30'000'000, false, threads);
  const long before = peak_bytes();
  const std::clock_t begin = std::clock();
  const auto started = std::chrono::steady_clock::now();
  std::uint64_t most_packets = 0;
  while (!simulation.is_done() && simulation.has_events()) {
    simulation.advance(never, 1'000'000);
    most_packets = std::max(most_packets, simulation.in_network());
  }
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - started;
  const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  if (simulation.flows_done() != fabric.hosts()) return 1;
  std::printf("%.3f %.3f %ld %lu %ld %016lx\n", seconds, wall.count(), peak_bytes(), most_packets,
              peak_bytes() - before, digest(simulation));
  return 0;
}

int queue_pairs(std::size_t count) {
  const testing::LeafSpine fabric{.leaves = 2, .spines = 1, .hosts_per_leaf = 16};
  Workload work;
  for (std::size_t i = 0; i < count; ++i) testing::add_flow(work, i % 16, 16 + i % 16, 4096);
  const long before = peak_bytes();
  const Simulation simulation = testing::simulate(fabric, fabric.network(), work);
  std::printf("%ld\n", peak_bytes() - before);
  return simulation.has_events() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const auto argument = [&](int i) { return static_cast<std::uint32_t>(std::atol(argv[i])); };
  if (argc == 3 && std::strcmp(argv[1], "qps") == 0) return queue_pairs(argument(2));
  if (argc != 7 || std::strcmp(argv[1], "run") != 0) {
    std::fprintf(stderr, "usage: bench_scale run LEAVES SPINES HOSTS_PER_LEAF BYTES THREADS | bench_scale qps N\n");
    return 2;
  }
  const raddle::testing::LeafSpine fabric{.leaves = argument(2), .spines = argument(3), .hosts_per_leaf = argument(4)};
  return run(fabric, argument(5), argument(6));
}
