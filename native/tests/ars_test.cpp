// Adaptive routing: which member of a group takes a packet, and what that does to flows. Each test is a claim.

#include <algorithm>

#include "checks.hpp"
#include "leaf_spine.hpp"

namespace {

using namespace raddle;
using testing::add_flow;
using testing::LeafSpine;
using testing::run;
using testing::total_drops;

constexpr Time us = 1'000'000;
constexpr ArsObject flowlets{.is_per_packet = false, .idle = 2 * us};
constexpr ArsObject packets{.is_per_packet = true};

Simulation adaptive(const LeafSpine& fabric, const NetworkConfig& network, const Workload& work,
                    const ArsObject& object, unsigned threads = 1, bool is_cut = true) {
  Simulation simulation(network, work, threads, is_cut);
  for (NodeId i = 0; i < fabric.leaves + fabric.spines; ++i) {
    SwitchConfig state = fabric.switch_state(i, true);
    fabric.adapt(state, i, object);
    simulation.set_switch(i, state);
  }
  return simulation;
}

// Data frames that a leaf has sent up to a spine.
std::uint64_t sent_up(const LeafSpine& fabric, const Simulation& simulation, NodeId leaf, NodeId spine) {
  return simulation.queues()[fabric.leaf_port(leaf, fabric.hosts_per_leaf + spine) * priorities + 3].tx_frames;
}

Time last_finish(const Simulation& simulation) {
  const std::vector<Time>& finish = simulation.flows().finish;
  return *std::max_element(finish.begin(), finish.end());
}

// What a message takes at line rate over two switches' way up and one down, to within its start.
Time line_rate_time(const LeafSpine& fabric, std::int64_t bytes) {
  return bytes / 4096 * wire_time(4096 + 62 + 20, fabric.speed) + 3 * fabric.pipeline + 4 * fabric.propagation;
}

// Every host sends to the host of its number at the next leaf.
Workload shift(const LeafSpine& fabric, std::int64_t bytes) {
  Workload work;
  for (NodeId h = 0; h < fabric.hosts(); ++h) {
    add_flow(work, h, (h + fabric.hosts_per_leaf) % fabric.hosts(), bytes);
  }
  return work;
}

void later_flow_takes_the_uplink_that_carries_nothing() {
  const LeafSpine fabric{.leaves = 2, .spines = 2, .hosts_per_leaf = 2};
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    NetworkConfig network = fabric.network();
    network.seed = seed;
    network.nic.rate_control = LineRate::Parameters{};
    Workload work;
    add_flow(work, 0, 2, 8 << 20);
    add_flow(work, 1, 3, 4 << 20);
    work.flow_start[1] = 40 * us;  // after two samples
    work.qp_hash[1] = work.qp_hash[0] ^ 2;  // the hash sends both one way, as an entry each of the flow table
    Simulation hashed = testing::simulate(fabric, network, work);
    run(hashed);
    CHECK(std::max(sent_up(fabric, hashed, 0, 0), sent_up(fabric, hashed, 0, 1)) == 3 << 10);
    Simulation simulation = adaptive(fabric, network, work, flowlets);
    run(simulation);
    const std::uint64_t first = sent_up(fabric, simulation, 0, 0), second = sent_up(fabric, simulation, 0, 1);
    CHECK(std::max(first, second) == 2 << 10 && std::min(first, second) == 1 << 10);
  }
}

void flow_keeps_its_member_until_it_pauses_for_longer_than_the_idle_time() {
  const LeafSpine fabric{.leaves = 2, .spines = 2, .hosts_per_leaf = 2};
  constexpr std::int64_t bytes = 100 * 4096;
  const Time sent = 100 * wire_time(4096 + 62 + 20, fabric.speed);
  int seen = 0;
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    // Frames on the uplink that the first message did not take, where a long flow has joined it on its own.
    const auto elsewhere = [&](Time gap) -> std::uint64_t {
      NetworkConfig network = fabric.network();
      network.seed = seed;
      network.nic.rate_control = LineRate::Parameters{};
      Workload work;
      add_flow(work, 0, 2, bytes);
      add_flow(work, 1, 3, 16 << 20);
      work.qp_hash[1] = work.qp_hash[0] ^ 2;
      work.flow_start[1] = 20 * us;
      work.flow_qp.push_back(0);
      work.flow_bytes.push_back(bytes);
      work.flow_start.push_back(sent + gap);
      work.dep_offsets.push_back(0);
      Simulation simulation = adaptive(fabric, network, work, {.is_per_packet = false, .idle = 50 * us});
      simulation.advance(19 * us, never);
      const NodeId other = sent_up(fabric, simulation, 0, 0) > 0 ? 1 : 0;
      simulation.advance(40 * us, never);
      if (sent_up(fabric, simulation, 0, other) > 0) return none;
      run(simulation);
      return sent_up(fabric, simulation, 0, other);
    };
    if (elsewhere(49 * us) == none) continue;
    ++seen;
    CHECK(elsewhere(49 * us) == 0);
    CHECK(elsewhere(51 * us) == 100);
  }
  CHECK(seen > 0);
}

void packets_spread_evenly_over_equal_uplinks() {
  const LeafSpine fabric{.leaves = 2, .spines = 4, .hosts_per_leaf = 1};
  NetworkConfig network = fabric.network();
  network.nic.loss_recovery = LossRecovery::selective_repeat;
  network.nic.reorder = 64;
  Workload work;
  add_flow(work, 0, 1, 4000 * 4096);
  Simulation simulation = adaptive(fabric, network, work, packets);
  run(simulation);
  CHECK(simulation.flows_done() == 1 && simulation.qps().retransmitted[0] == 0);
  for (NodeId spine = 0; spine < 4; ++spine) {
    const auto sent = static_cast<std::int64_t>(sent_up(fabric, simulation, 0, spine));
    CHECK(std::abs(sent - 1000) < 150);  // five standard deviations of a fair choice (27)
  }
}

void permutation_that_hashing_makes_collide_runs_at_line_rate_packet_by_packet() {
  const LeafSpine fabric{.leaves = 4, .spines = 8, .hosts_per_leaf = 8};
  NetworkConfig network = fabric.network();
  network.nic.loss_recovery = LossRecovery::selective_repeat;
  network.nic.reorder = 64;
  constexpr std::int64_t bytes = 2 << 20;
  const Workload work = shift(fabric, bytes);
  Simulation hashed = testing::simulate(fabric, network, work);
  run(hashed);
  CHECK(last_finish(hashed) > 2 * line_rate_time(fabric, bytes));
  Simulation simulation = adaptive(fabric, network, work, packets);
  run(simulation);
  CHECK(simulation.flows_done() == fabric.hosts());
  // Acknowledgements take 86 bytes of wire for 4178 of data.
  CHECK(last_finish(simulation) < line_rate_time(fabric, bytes) * 110 / 100);
  CHECK(testing::total(simulation.qps().retransmitted) == 0);
}

void packets_out_of_order_stop_go_back_n_and_not_selective_repeat() {
  const LeafSpine fabric{.leaves = 4, .spines = 8, .hosts_per_leaf = 8};
  constexpr std::int64_t bytes = 1 << 20;
  const Workload work = shift(fabric, bytes);
  const auto time_of = [&](bool is_selective, std::uint32_t reorder) {
    NetworkConfig network = fabric.network();
    if (is_selective) network.nic.loss_recovery = LossRecovery::selective_repeat;
    network.nic.reorder = reorder;
    Simulation simulation = adaptive(fabric, network, work, packets);
    run(simulation);
    CHECK(simulation.flows_done() == fabric.hosts() && total_drops(simulation) == 0);
    return last_finish(simulation);
  };
  const Time line = line_rate_time(fabric, bytes);
  CHECK(time_of(false, 0) > 5 * line);
  CHECK(time_of(true, 0) < 2 * line);
  CHECK(time_of(true, 64) < line * 115 / 100);
}

void member_whose_port_is_down_is_left_at_once() {
  const LeafSpine fabric{.leaves = 2, .spines = 2, .hosts_per_leaf = 1};
  NetworkConfig network = fabric.network();
  network.nic.loss_recovery = LossRecovery::selective_repeat;
  network.nic.retransmit_timeout = 100 * us;
  Workload work;
  add_flow(work, 0, 1, 2000 * 4096);
  Simulation simulation = adaptive(fabric, network, work, flowlets);
  simulation.advance(20 * us, never);
  const NodeId taken = sent_up(fabric, simulation, 0, 0) > 0 ? 0 : 1;
  simulation.set_link(fabric.leaf_port(0, 1 + taken), false);
  run(simulation);
  CHECK(simulation.flows_done() == 1);
  CHECK(testing::drops_for(simulation, DropReason::link_down) < 20);  // what was on the cable and in its queue
  CHECK(sent_up(fabric, simulation, 0, 1 - taken) > 1500);
}

void alternative_path_is_taken_only_behind_a_loaded_primary_one() {
  const LeafSpine fabric{.leaves = 2, .spines = 2, .hosts_per_leaf = 4};
  const auto frames_on_the_alternative = [&](std::int64_t threshold, std::int64_t cost) {
    NetworkConfig network = fabric.network();
    network.nic.rate_control = LineRate::Parameters{};
    Workload work;
    for (NodeId h = 0; h < 4; ++h) add_flow(work, h, 4 + h, 1 << 20);
    for (NodeId h = 1; h < 4; ++h) work.flow_start[h] = h * 20 * us;
    Simulation simulation(network, work);
    for (NodeId i = 0; i < 4; ++i) {
      SwitchConfig state = fabric.switch_state(i, true);
      fabric.adapt(state, i, {.is_per_packet = false, .idle = 2 * us, .max_flows = 512,
                              .primary_path_threshold = threshold, .alternative_path_cost = cost});
      if (i < 2) {
        state.ars.is_alternative.assign(state.group_ports.size(), 0);
        state.ars.is_alternative.back() = 1;  // over spine 1
      }
      simulation.set_switch(i, state);
    }
    run(simulation);
    CHECK(simulation.flows_done() == 4);
    return sent_up(fabric, simulation, 0, 1);
  };
  CHECK(frames_on_the_alternative(16, 0) == 0);  // SONiC's default: no band is so high
  CHECK(frames_on_the_alternative(1, 8) == 0);   // no band is worse by so much
  CHECK(frames_on_the_alternative(1, 0) > 0);
}

void result_is_the_same_for_any_cut_and_number_of_threads() {
  const LeafSpine fabric{.leaves = 4, .spines = 4, .hosts_per_leaf = 4};
  Workload work = shift(fabric, 1 << 20);
  for (NodeId h = 1; h < 12; ++h) add_flow(work, h, 0, 100'000);
  for (const ArsObject& object : {flowlets, packets}) {
    NetworkConfig network = fabric.network();
    network.nic.loss_recovery = LossRecovery::selective_repeat;
    const auto outcome = [&](unsigned threads, bool is_cut) {
      Simulation simulation = adaptive(fabric, network, work, object, threads, is_cut);
      simulation.advance(20 * us, never);
      for (NodeId leaf = 0; leaf < 4; ++leaf) {  // what is said again changes nothing
        SwitchConfig state = fabric.switch_state(leaf, true);
        fabric.adapt(state, leaf, object);
        if (threads > 1) simulation.set_switch(leaf, state);
      }
      run(simulation);
      testing::conserves_packets(simulation);
      std::vector<std::uint64_t> sent;
      for (const Queue& queue : simulation.queues()) sent.push_back(queue.tx_frames);
      return std::pair(simulation.flows().acked, sent);
    };
    const auto whole = outcome(1, false);
    for (const unsigned threads : {1U, 2U, 3U}) CHECK(whole == outcome(threads, true));
  }
}

}  // namespace

int main() {
  later_flow_takes_the_uplink_that_carries_nothing();
  flow_keeps_its_member_until_it_pauses_for_longer_than_the_idle_time();
  packets_spread_evenly_over_equal_uplinks();
  permutation_that_hashing_makes_collide_runs_at_line_rate_packet_by_packet();
  packets_out_of_order_stop_go_back_n_and_not_selective_repeat();
  member_whose_port_is_down_is_left_at_once();
  alternative_path_is_taken_only_behind_a_loaded_primary_one();
  result_is_the_same_for_any_cut_and_number_of_threads();
  return testing::verdict();
}
