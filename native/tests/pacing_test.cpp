// When a NIC lets a queue pair's next packet go: its rate, its window, its traffic class. Each test is a claim.

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "checks.hpp"
#include "leaf_spine.hpp"

namespace {

using namespace raddle;
using testing::add_flow;
using testing::LeafSpine;
using testing::run;

constexpr Time us = 1'000'000;
constexpr double line = 400e9;
constexpr std::int64_t frame = 4178;  // on the wire, 83.56 ns at 400G

// CNPs lower the rate at once, the timer raises it every 20 us by half of what is missing to the target.
constexpr DcqcnParameters by_hand{.rate_timer = 20 * us, .fast_recovery_steps = 5, .decrease_timer = 0};

DcqcnRate lowered(double rate, double target, const DcqcnParameters& p = by_hand) {
  DcqcnRate state{.alpha = 0, .rate = rate, .target = target};
  state.on_cnp(p, 0);
  state.target = target;
  state.alpha = 1;
  return state;
}

Time due(const DcqcnRate& state, Time from, const DcqcnParameters& p = by_hand, bool retimes = true) {
  return state.due(p, line, from, frame, 1, retimes);
}

bool is_near(Time time, double seconds) { return std::abs(static_cast<double>(time) - seconds * 1e12) < 2; }

void packet_that_waits_goes_when_the_rate_of_then_lets_it() {
  CHECK(is_near(due(lowered(10e9, line), 0), frame * 8 / 10e9));       // before the timer: nothing changes
  CHECK(due(lowered(1e6, line), 0) == 20 * us);                        // 33 ms at 1 Mb/s; at 200 Gb/s it is late already
  CHECK(is_near(due(lowered(1e6, line), 0, by_hand, false), frame * 8 / 1e6));  // unless nothing moves it
  CHECK(is_near(due(lowered(1e9, 1.2e9), 0), frame * 8 / 1.1e9));      // 33 us become 30 us with the timer at 20 us
  CHECK(is_near(due(lowered(0.5e9, 1.5e9), 0), frame * 8 / 1e9));      // 67 us: at 20 us they become 33.4
  CHECK(due(lowered(0.1e9, 1.5e9), 0) == 40 * us);                     // 0.8 Gb/s from 20 us on, 1.15 from 40: 29 us
}

void cnp_makes_the_packet_that_waits_wait_longer() {
  DcqcnRate state = lowered(100e9, line);
  CHECK(is_near(due(state, 0), frame * 8 / 100e9));
  state.advance(by_hand, line, 100'000);
  state.on_cnp(by_hand, 100'000);  // alpha is 1: the rate halves
  CHECK(is_near(due(state, 0), frame * 8 / 50e9));
}

void decrease_that_a_cnp_has_announced_counts_before_it_comes() {
  const DcqcnParameters p{.alpha_timer = 1000 * us, .decrease_timer = 4 * us};
  DcqcnRate state{.rate = 2e9, .target = 2e9};
  state.on_cnp(p, 0);
  CHECK(is_near(due(state, 0, p), frame * 8 / 1e9));  // 16.7 us at 2 Gb/s, of which 4 us are over when it halves
}

// The least rate is 1 Mb/s, a frame of it takes 33 ms. No flow of an incast waits for that long.
void incast_does_not_wait_out_the_least_rate() {
  const LeafSpine fabric{.leaves = 2, .spines = 2, .hosts_per_leaf = 8};
  Workload work = testing::incast(15, 1 << 20);
  add_flow(work, 9, 1, 16 << 20);
  Simulation simulation = testing::simulate(fabric, fabric.network(), work);
  run(simulation);
  CHECK(simulation.flows_done() == 16 && testing::total(simulation.qps().cnps) > 0);
  // 15 MiB at 400G take 321 us; after that at most some rounds of the rate timer (300 us) until all have caught up.
  CHECK(simulation.now() < 321 * us + 4 * 300 * us);
  CHECK(testing::total_pauses(simulation) == 0);
}

constexpr LeafSpine pair{.leaves = 2, .spines = 1, .hosts_per_leaf = 1};
constexpr Time packet = 83'560, ack = 86 * 20;
constexpr Time links = 4 * pair.propagation + 3 * pair.pipeline;

// The packet that fills the window asks for its acknowledgement: W packets in each round trip and W - 1 packets.
void window_below_the_ack_interval_gets_its_acknowledgements() {
  NetworkConfig network = pair.network();
  network.nic.window = 4 * 4096;
  network.nic.ack_interval = 32;
  Workload work;
  add_flow(work, 0, 1, 80 * 4096);
  Simulation simulation = testing::simulate(pair, network, work);
  run(simulation);
  CHECK(simulation.flows().acked[0] == 20 * (4 * packet + links + 4 * ack + links + 3 * packet));
}

void psns_of_all_packets_under_way_can_be_told_apart() {
  NicConfig nic;
  CHECK(limit_psn(nic, 1U << 30, 1000) == 1000 + (1U << 23) - 1);
  CHECK(psn_distance((1U << 23) - 2, 0) > 0 && psn_distance(1, 1U << 23) == 1 - (1 << 23));
  nic.window = 10 * 4096;
  CHECK(limit_psn(nic, 1U << 30, 1000) == 1010 && limit_psn(nic, 1005, 1000) == 1005);
}

// Bit errors of 1e-6 on the uplink, 30,000 packets: one transmission for each loss, however rarely is acknowledged.
void coalesced_acknowledgements_repeat_no_more_than_was_lost() {
  for (const std::uint32_t interval : {1U, 4U, 16U, 64U}) {
    NetworkConfig network = pair.network();
    network.nic.rate_control = LineRate::Parameters{};
    network.nic.loss_recovery = LossRecovery::selective_repeat;
    network.nic.ack_interval = interval;
    Workload work;
    add_flow(work, 0, 1, 30'000 * 4096);
    Simulation simulation = testing::simulate(pair, network, work);
    simulation.set_bit_errors(pair.leaf_port(0, 1), 1e-6);
    simulation.advance(29'000 * packet, never);
    simulation.set_bit_errors(pair.leaf_port(0, 1), 0);  // a loss at the very end has nothing behind it that tells of it
    run(simulation);
    const std::uint64_t lost = testing::drops_for(simulation, DropReason::corrupt);
    CHECK(simulation.flows_done() == 1 && lost > 500);
    CHECK(simulation.qps().timeouts[0] == 0);
    CHECK(simulation.qps().retransmitted[0] <= lost);
  }
}

// Nothing comes behind it that would tell of the loss: one timeout, one packet sent again.
void loss_of_the_last_packet_takes_one_timeout() {
  for (const bool is_selective : {false, true}) {
    NetworkConfig network = pair.network();
    if (is_selective) network.nic.loss_recovery = LossRecovery::selective_repeat;
    network.nic.retransmit_timeout = 100 * us;
    Workload work;
    add_flow(work, 0, 1, 4096);
    Simulation simulation = testing::simulate(pair, network, work);
    simulation.set_light(0, false);
    simulation.advance(50 * us, never);
    simulation.set_light(0, true);
    run(simulation);
    CHECK(simulation.qps().timeouts[0] == 1 && simulation.qps().retransmitted[0] == 1);
    CHECK(simulation.flows().finish[0] == 100 * us + 4 * packet + links);
  }
}

// What a rewind takes back counts when it goes out again, not before.
void only_what_is_sent_twice_counts_as_retransmitted() {
  NetworkConfig network = pair.network();
  network.nic.rate_control = LineRate::Parameters{};
  Workload work;
  add_flow(work, 0, 1, 1000 * 4096);
  Simulation simulation = testing::simulate(pair, network, work);
  simulation.set_bit_errors(pair.leaf_port(0, 1), 1e-6);
  simulation.set_traced(0, true);
  run(simulation);
  const auto sent = static_cast<std::uint64_t>(simulation.take_trace().size());
  CHECK(simulation.flows_done() == 1 && simulation.qps().retransmitted[0] == sent - 1000);
}

// 48.5 GB/s of payload, where the wire carries 49.02: frames follow the bus, two of them read ahead.
void sender_takes_its_hosts_bus_and_no_more() {
  NetworkConfig network = pair.network();
  network.endpoint_bus = {388'000'000'000, 0};
  network.nic.ack_interval = 8;
  Workload work;
  add_flow(work, 0, 1, 10'000 * 4096);
  add_flow(work, 1, 0, 10'000 * 4096);  // answers go between frames
  Simulation simulation = testing::simulate(pair, network, work);
  run(simulation);
  const Time bus = wire_time(4096, 388'000'000'000);
  const Time way = links + 4 * packet;
  CHECK(simulation.flows().finish[0] >= 9'998 * bus && simulation.flows().finish[0] <= 10'000 * bus + way);
  CHECK(simulation.flows().finish[1] <= 10'000 * (packet + ack) + way);
}

// Half of the line: the NIC's buffer fills and pauses the switch, nothing is lost, and the message is at the host when
// the bus has carried it.
void receiver_takes_its_hosts_bus_and_pauses_the_switch() {
  for (const std::int64_t fault : {0L, 300'000'000'000L}) {  // a host that is slower than the line, not than its bus
    NetworkConfig network = pair.network();
    network.endpoint_bus = {0, 200'000'000'000};
    network.nic.rate_control = LineRate::Parameters{};
    Workload work;
    add_flow(work, 0, 1, 10'000 * 4096);
    add_flow(work, 0, 1, 4096);
    work.flow_qp[1] = 0;
    work.dep_offsets = {0, 0, 1};
    work.dep_ids = {0};
    Simulation simulation = testing::simulate(pair, network, work);
    simulation.set_receiver(1, fault, 2 << 20, 1 << 20, 1 << 19);
    run(simulation);
    const FlowResults& flows = simulation.flows();
    const Time whole = 10'000 * wire_time(4096, 200'000'000'000);
    CHECK(flows.finish[0] >= whole && flows.finish[0] <= whole + links + 4 * packet);
    CHECK(flows.acked[0] < flows.finish[0] && flows.start[1] == flows.acked[0]);  // the NIC has it, and answers
    CHECK(simulation.pfc_sent()[1 * priorities + 3] > 0 && testing::total_drops(simulation) == 0);
    CHECK(simulation.is_done() && simulation.now() >= flows.finish[0]);
  }
}

// Ten queue pairs of priority 3 and one of 4, all with as much to send.
Simulation eleven(const NetworkConfig& network, const LeafSpine& fabric) {
  Workload work;
  for (NodeId i = 0; i < 11; ++i) add_flow(work, 0, 1 + i, 8 << 20);
  work.qp_priority[10] = 4;
  return testing::simulate(fabric, network, work);
}

void priorities_share_a_nic_by_their_weights_and_queue_pairs_within_them() {
  const LeafSpine fabric{.leaves = 1, .spines = 1, .hosts_per_leaf = 12};
  for (const std::uint32_t weight : {1U, 3U}) {
    NetworkConfig network = fabric.network();
    network.nic.class_weights[3] = weight;
    Simulation simulation = eleven(network, fabric);
    simulation.advance(100 * us, never);
    const auto of = [&](unsigned priority) { return static_cast<double>(simulation.queues()[priority].tx_frames); };
    CHECK(std::abs(of(3) / of(4) - weight) < 0.01 * weight);
    CHECK(std::abs((of(3) + of(4)) * packet / (100.0 * us) - 1) < 0.01);
  }
}

void strict_priority_goes_before_all_that_share() {
  const LeafSpine fabric{.leaves = 1, .spines = 1, .hosts_per_leaf = 12};
  NetworkConfig network = fabric.network();
  network.nic.class_weights[4] = 0;
  Simulation simulation = eleven(network, fabric);
  run(simulation);
  // 8 MiB alone on the wire: 2048 packets there, and one more of the others that was first or under way.
  const Time way = 2 * fabric.propagation + fabric.pipeline;
  CHECK(simulation.flows().finish[10] <= 2050 * packet + way);
}

void flows_of_a_failed_queue_pair_have_failed_posted_or_not() {
  NetworkConfig network = pair.network();
  network.nic.messages = 1;
  network.nic.retry_count = 0;
  network.nic.retransmit_timeout = 100 * us;
  Workload work;
  for (int i = 0; i < 3; ++i) add_flow(work, 0, 1, 4096);
  for (QpId& qp : work.flow_qp) qp = 0;
  Simulation simulation = testing::simulate(pair, network, work);
  simulation.set_light(0, false);
  run(simulation);
  CHECK(simulation.is_done());
  for (const std::uint8_t status : simulation.flows().status) CHECK(status == static_cast<std::uint8_t>(FlowStatus::failed));
  CHECK(simulation.flows().start[1] == never);
}

template <typename Call>
bool is_refused(Call call) {
  try {
    call();
  } catch (const std::exception&) {
    return true;
  }
  return false;
}

void what_does_not_fit_is_refused() {
  Workload work;
  add_flow(work, 0, 1, 4096);
  NetworkConfig network = pair.network();
  network.nic.mtu = 0;
  CHECK(is_refused([&] { Simulation(network, work); }));
  network = pair.network();
  network.ports[0].peer = 99;
  CHECK(is_refused([&] { Simulation(network, work); }));
  network = pair.network();
  Simulation simulation = testing::simulate(pair, network, work);
  CHECK(is_refused([&] { simulation.set_link(100'000'000, false); }));
  CHECK(is_refused([&] { simulation.trace(1, false); }));
  CHECK(is_refused([&] { simulation.set_switch(3, pair.switch_state(0, true)); }));
  SwitchConfig state = pair.switch_state(0, true);
  state.fib[0] = 7;
  CHECK(is_refused([&] { simulation.set_switch(0, state); }));
  state = pair.switch_state(0, true);
  state.ports[0].pg_profile[3] = 1;
  CHECK(is_refused([&] { simulation.set_switch(0, state); }));
  run(simulation);
  CHECK(simulation.flows_done() == 1);  // what was refused has changed nothing
}

}  // namespace

int main() {
  packet_that_waits_goes_when_the_rate_of_then_lets_it();
  cnp_makes_the_packet_that_waits_wait_longer();
  decrease_that_a_cnp_has_announced_counts_before_it_comes();
  incast_does_not_wait_out_the_least_rate();
  window_below_the_ack_interval_gets_its_acknowledgements();
  psns_of_all_packets_under_way_can_be_told_apart();
  coalesced_acknowledgements_repeat_no_more_than_was_lost();
  loss_of_the_last_packet_takes_one_timeout();
  only_what_is_sent_twice_counts_as_retransmitted();
  sender_takes_its_hosts_bus_and_no_more();
  receiver_takes_its_hosts_bus_and_pauses_the_switch();
  priorities_share_a_nic_by_their_weights_and_queue_pairs_within_them();
  strict_priority_goes_before_all_that_share();
  flows_of_a_failed_queue_pair_have_failed_posted_or_not();
  what_does_not_fit_is_refused();
  return testing::verdict();
}
