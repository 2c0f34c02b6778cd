// Partitions on several threads, for ThreadSanitizer: congestion, losses and changes between calls, and the same
// results as on one.

#include "checks.hpp"
#include "leaf_spine.hpp"

namespace {

using namespace raddle;

constexpr testing::LeafSpine fabric{.leaves = 4, .spines = 2, .hosts_per_leaf = 4};

Workload everyone_to_two_hosts_and_to_the_next() {
  Workload work;
  for (NodeId host = 2; host < fabric.hosts(); ++host) testing::add_flow(work, host, host % 2, 200'000);
  for (NodeId host = 0; host < fabric.hosts(); ++host) testing::add_flow(work, host, (host + 5) % fabric.hosts(), 300'000);
  return work;
}

FlowResults results(unsigned threads, bool has_pfc, bool is_selective) {
  NetworkConfig network = fabric.network();
  if (is_selective) network.nic.loss_recovery = LossRecovery::selective_repeat;
  network.nic.retransmit_timeout = 100'000'000;
  network.nic.retry_count = 100;
  const std::int64_t pool = has_pfc ? 3'000'000 : 200'000;
  Simulation simulation =
      testing::simulate(fabric, network, everyone_to_two_hosts_and_to_the_next(), has_pfc, pool, false, threads);
  CHECK(simulation.partitions() == 6);
  simulation.set_bit_errors(fabric.spine_port(0, 1), 1e-7);
  simulation.advance(10'000'000, never);
  simulation.set_link(fabric.spine_port(1, 2), false);
  simulation.advance(20'000'000, never);
  simulation.set_link(fabric.spine_port(1, 2), true);
  for (NodeId i = 0; i < network.switches; ++i) simulation.set_switch(i, fabric.switch_state(i, has_pfc, pool));
  testing::run(simulation);
  testing::conserves_packets(simulation);
  return simulation.flows();
}

void several_threads_give_what_one_gives(bool has_pfc, bool is_selective) {
  const FlowResults one = results(1, has_pfc, is_selective);
  for (const unsigned threads : {2U, 4U}) {
    const FlowResults several = results(threads, has_pfc, is_selective);
    CHECK(several.finish == one.finish && several.acked == one.acked && several.status == one.status);
  }
}

// Turns of so few partitions that one may be over while the thread that has planned it still hands it out.
void short_turns_end_once() {
  constexpr testing::LeafSpine small{.leaves = 2, .spines = 1, .hosts_per_leaf = 16};
  Workload work;
  for (NodeId host = 0; host < small.hosts(); ++host) testing::add_flow(work, host, (host + 16) % small.hosts(), 60'000);
  const auto acked = [&](unsigned threads) {
    Simulation simulation = testing::simulate(small, small.network(), work, true, 100'000, false, threads);
    testing::run(simulation);
    return simulation.flows().acked;
  };
  const auto one = acked(1);
  for (int round = 0; round < 20; ++round) CHECK(acked(3) == one);
}

}  // namespace

int main() {
  short_turns_end_once();
  several_threads_give_what_one_gives(true, false);
  several_threads_give_what_one_gives(false, false);
  several_threads_give_what_one_gives(false, true);
  return testing::verdict();
}
