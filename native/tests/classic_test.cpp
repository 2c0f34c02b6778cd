// Behaviour that lossless Ethernet and RoCE are known for. Each test is a claim.

#include <algorithm>
#include <cmath>

#include "checks.hpp"
#include "leaf_spine.hpp"

namespace {

using namespace raddle;
using testing::add_flow;
using testing::incast;
using testing::LeafSpine;
using testing::run;
using testing::total_drops;

constexpr Time us = 1'000'000, ms = 1'000 * us;

// Switches in a ring, one host each; flows go two switches on, so every link carries two flows and every buffer on
// the ring waits for the next.
// SOURCE: Hu et al., "Deadlocks in datacenter networks: why do they form, and how to avoid them", HotNets 2016.
struct SwitchRing {
  static constexpr NodeId size = 4;
  NetworkConfig network;
  Workload work;

  // Ports: hosts 0..3; then of each switch: to its host, to the next switch, from the one before.
  static PortId port(NodeId node, NodeId number) { return size + node * 3 + number; }

  SwitchRing() {
    network.endpoints = network.switches = size;
    network.pipeline_latency.assign(size, 600'000);
    network.seed = 1;
    network.nic.rate_control = LineRate::Parameters{};
    constexpr std::int64_t speed = 400'000'000'000;
    for (NodeId h = 0; h < size; ++h) network.ports.push_back({h, port(h, 0), speed, 15'000});
    for (NodeId s = 0; s < size; ++s) {
      network.ports.push_back({size + s, s, speed, 15'000});
      network.ports.push_back({size + s, port((s + 1) % size, 2), speed, 50'000});
      network.ports.push_back({size + s, port((s + size - 1) % size, 1), speed, 50'000});
    }
    for (NodeId h = 0; h < size; ++h) {
      add_flow(work, h, (h + 2) % size, 8 << 20);
      add_flow(work, h, (h + 3) % size, 8 << 20);
    }
  }

  SwitchConfig state(NodeId node, WatchdogConfig watchdog, bool is_shortest) const {
    const LeafSpine model{.leaves = 1, .spines = 1, .hosts_per_leaf = 2};
    SwitchConfig config = model.switch_state(0, true, 400'000);
    for (SwitchPortConfig& each : config.ports) each.watchdog = watchdog;
    config.group_offsets = {0, 1, 2, 3};
    config.group_ports = {0, 1, 2};
    config.fib.assign(size, 1);
    config.fib[node] = 0;
    if (is_shortest) config.fib[(node + size - 1) % size] = 2;  // the one before straight, not all the way round
    return config;
  }

  Simulation start(WatchdogConfig watchdog = {}, bool is_shortest = false) const {
    Simulation simulation(network, work);
    for (NodeId i = 0; i < size; ++i) simulation.set_switch(i, state(i, watchdog, is_shortest));
    return simulation;
  }
};

void buffers_that_wait_for_each_other_in_a_circle_deadlock() {
  const SwitchRing ring;
  Simulation simulation = ring.start();
  simulation.advance(5 * ms, never);
  const std::uint64_t delivered = simulation.delivered();
  simulation.advance(10 * ms, never);
  CHECK(simulation.delivered() == delivered && simulation.flows_done() < 8);
  std::vector<QueueId> cycle = simulation.find_deadlock();
  std::sort(cycle.begin(), cycle.end());
  std::vector<QueueId> expected;
  for (NodeId s = 0; s < SwitchRing::size; ++s) expected.push_back(SwitchRing::port(s, 1) * priorities + 3);
  CHECK(cycle == expected);
}

void deadlocked_run_ends_and_names_its_circle() {
  SwitchRing ring;
  ring.network.nic.retransmit_timeout = ms;
  Simulation simulation = ring.start();
  run(simulation);
  CHECK(!simulation.is_done() && simulation.flows_done() == 0 && simulation.find_deadlock().size() == 4);
}

void watchdog_breaks_the_deadlock() {
  SwitchRing ring;
  ring.network.nic.retransmit_timeout = 10 * ms;
  Simulation simulation = ring.start({.queues = 1 << 3, .detect = 2 * ms, .restore = 2 * ms});
  simulation.advance(1 * ms, never);
  CHECK(!simulation.find_deadlock().empty());
  run(simulation);
  CHECK(!simulation.watchdog_events().empty());
  // Flows get on at the price of drops; some use up their retries.
  CHECK(simulation.is_done() && simulation.flows_done() > 0);
  CHECK(testing::drops_for(simulation, DropReason::watchdog) == total_drops(simulation));
  testing::conserves_packets(simulation);
}

void congestion_without_a_circle_is_no_deadlock() {
  const LeafSpine fabric{.leaves = 2, .spines = 2, .hosts_per_leaf = 8};
  NetworkConfig network = fabric.network();
  network.nic.rate_control = LineRate::Parameters{};
  Simulation simulation = testing::simulate(fabric, network, incast(15, 2 << 20), true, 1'000'000);
  for (Time until = 0; !simulation.is_done(); until += 5 * us) {
    simulation.advance(until, never);
    CHECK(simulation.find_deadlock().empty());
  }
}

// Hosts 8..14 of the other leaf fill host 0's port; host 15 sends to host 1, which nobody else does, and still waits
// behind the pauses of the uplink that they share.
void victim_of_head_of_line_blocking_is_slowed_by_a_queue_it_does_not_use() {
  const LeafSpine fabric{.leaves = 2, .spines = 1, .hosts_per_leaf = 8};
  NetworkConfig network = fabric.network();
  network.nic.rate_control = LineRate::Parameters{};
  Time finish[2];
  for (const bool has_incast : {false, true}) {
    Workload work;
    add_flow(work, 15, 1, 1 << 20);
    for (NodeId sender = 2; has_incast && sender < 8; ++sender) add_flow(work, sender, 0, 4 << 20);
    if (has_incast) add_flow(work, 14, 0, 4 << 20);
    Simulation simulation = testing::simulate(fabric, network, work, true, 1'000'000);
    run(simulation);
    CHECK(total_drops(simulation) == 0);
    finish[has_incast] = simulation.flows().finish[0];
  }
  // Two flows share the uplink: half of it would be twice the time. Head-of-line blocking costs more.
  CHECK(finish[1] > 3 * finish[0]);
}

struct Shares {
  double jain, used;
};

// N senders to one receiver of the same leaf; what each has brought through in a window of the steady state.
Shares share(NodeId senders, const DcqcnParameters& parameters, Time from, Time until) {
  const LeafSpine fabric{.leaves = 1, .spines = 1, .hosts_per_leaf = senders + 1};
  NetworkConfig network = fabric.network();
  network.nic.rate_control = parameters;
  network.nic.cnp_interval = 50 * us;
  Simulation simulation = testing::simulate(fabric, network, incast(senders, std::int64_t{4} << 30));
  std::vector<double> sent(senders);
  const auto bytes = [&](NodeId sender) {
    return static_cast<double>(simulation.queues()[(sender + 1) * priorities + 3].tx_bytes);
  };
  simulation.advance(from, never);
  for (NodeId i = 0; i < senders; ++i) sent[i] = -bytes(i);
  simulation.advance(until, never);
  double sum = 0, squares = 0;
  for (NodeId i = 0; i < senders; ++i) {
    sent[i] += bytes(i);
    sum += sent[i];
    squares += sent[i] * sent[i];
  }
  const double line = static_cast<double>(until - from) * 0.05;  // bytes at 400G
  return {sum * sum / (senders * squares), sum / line};
}

// SOURCE of the index: R. Jain, D. Chiu, W. Hawe, DEC-TR-301, 1984.
void dcqcn_shares_a_link_fairly_among_2_to_20_flows() {
  // The paper's parameters with its increments scaled from 40G to 400G.
  const DcqcnParameters scaled{.g = 1.0 / 256, .alpha_timer = 55 * us, .rate_timer = 55 * us,
                               .byte_counter = 10'000'000, .fast_recovery_steps = 5, .rate_ai = 400e6,
                               .rate_hai = 4e9, .min_rate = 10e6, .clamps_target = true, .decrease_timer = 0};
  // The shares of a few wander for tens of milliseconds: over 40 of them two flows have 0.96 to 0.999, by the seed.
  for (const NodeId senders : {2U, 5U, 10U, 20U}) {
    const Shares found = share(senders, scaled, 20 * ms, senders < 10 ? 180 * ms : 60 * ms);
    CHECK(found.jain >= 0.99);
    CHECK(found.used > 0.9);
  }
}

// ECN marking that starts only where PFC already pauses leaves the shares to PFC, which pauses ports, not flows: here
// one flow comes in alone over one port, and three share another.
// SOURCE: Zhu et al., SIGCOMM 2015, section 2 (parking lot).
void pfc_alone_and_dcqcn_set_too_late_are_unfair_where_dcqcn_is_not() {
  const DcqcnParameters scaled{.g = 1.0 / 256, .alpha_timer = 55 * us, .rate_timer = 55 * us,
                               .byte_counter = 10'000'000, .fast_recovery_steps = 5, .rate_ai = 400e6,
                               .rate_hai = 4e9, .min_rate = 10e6, .clamps_target = true, .decrease_timer = 0};
  double jain[2];
  for (const bool is_late : {false, true}) {
    const LeafSpine fabric{.leaves = 2, .spines = 1, .hosts_per_leaf = 4};
    NetworkConfig network = fabric.network();
    network.nic.rate_control = scaled;
    network.nic.cnp_interval = 50 * us;
    Workload work;
    add_flow(work, 1, 0, std::int64_t{4} << 30);  // beside the receiver
    for (NodeId far = 4; far < 7; ++far) add_flow(work, far, 0, std::int64_t{4} << 30);
    Simulation simulation(network, work);
    for (NodeId i = 0; i < 3; ++i) {
      SwitchConfig state = fabric.switch_state(i, true, 4'000'000);
      state.wred[0] = is_late ? WredConfig{20'000'000, 40'000'000, 0.01, true} : WredConfig{100'000, 400'000, 0.2, true};
      simulation.set_switch(i, state);
    }
    simulation.advance(40 * ms, never);
    double sum = 0, squares = 0;
    for (const NodeId host : {1U, 4U, 5U, 6U}) {
      const auto sent = static_cast<double>(simulation.queues()[host * priorities + 3].tx_bytes);
      sum += sent;
      squares += sent * sent;
    }
    jain[is_late] = sum * sum / (4 * squares);
  }
  CHECK(jain[false] > 0.97);
  // The lone port gets half of the link and each of the three a sixth: 1 / (4 (1/4 + 3/36)) = 0.75.
  CHECK(std::abs(jain[true] - 0.75) < 0.02);
}

// Without PFC an incast overruns the buffer; every loss makes go-back-N send what follows it again.
// SOURCE: Mittal et al., "Revisiting network support for RDMA" (IRN), SIGCOMM 2018.
void go_back_n_collapses_in_a_lossy_incast() {
  const LeafSpine fabric{.leaves = 2, .spines = 2, .hosts_per_leaf = 8};
  NetworkConfig network = fabric.network();
  network.nic.rate_control = LineRate::Parameters{};
  network.nic.retransmit_timeout = ms;
  double goodput[2];
  for (const bool has_pfc : {false, true}) {
    Simulation simulation = testing::simulate(fabric, network, incast(15, 1 << 20), has_pfc, 500'000);
    run(simulation);
    const Time last = *std::max_element(simulation.flows().finish.begin(), simulation.flows().finish.end());
    goodput[has_pfc] = simulation.flows_done() == 15 ? 15.0 * (1 << 20) * 8 / (static_cast<double>(last) * 1e-12) : 0;
    const std::uint64_t again = testing::total(simulation.qps().retransmitted);
    CHECK(has_pfc ? again == 0 : again > 15 * 256 / 2);  // more than half of all packets
  }
  CHECK(goodput[true] > 0.9 * 400e9);
  CHECK(goodput[false] < 0.5 * 400e9);
}

}  // namespace

int main() {
  buffers_that_wait_for_each_other_in_a_circle_deadlock();
  deadlocked_run_ends_and_names_its_circle();
  watchdog_breaks_the_deadlock();
  congestion_without_a_circle_is_no_deadlock();
  victim_of_head_of_line_blocking_is_slowed_by_a_queue_it_does_not_use();
  dcqcn_shares_a_link_fairly_among_2_to_20_flows();
  pfc_alone_and_dcqcn_set_too_late_are_unfair_where_dcqcn_is_not();
  go_back_n_collapses_in_a_lossy_incast();
  return testing::verdict();
}
