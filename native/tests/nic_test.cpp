// Queue pairs: acknowledgements, windows, turns and retransmission. Each test is a claim.

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

constexpr LeafSpine pair{.leaves = 2, .spines = 1, .hosts_per_leaf = 1};
constexpr Time packet = 83'560;  // 4096 bytes of payload at 400G
constexpr Time links = 4 * pair.propagation + 3 * pair.pipeline;
constexpr Time ack = 86 * 20;

Simulation start(const NetworkConfig& network, std::int64_t bytes) {
  Workload work;
  add_flow(work, 0, 1, bytes);
  return testing::simulate(pair, network, work);
}

std::uint64_t sent(const Simulation& simulation, PortId port) {
  return simulation.queues()[port * priorities + 3].tx_frames;
}

// Every n-th packet and the last one: ceil(100 / n) acknowledgements.
void receiver_acknowledges_every_nth_packet_and_the_last() {
  for (const std::uint32_t interval : {1U, 3U, 16U, 200U}) {
    NetworkConfig network = pair.network();
    network.nic.ack_interval = interval;
    Simulation simulation = start(network, 100 * 4096);
    run(simulation);
    CHECK(sent(simulation, 1) == (100 + interval - 1) / interval);
    CHECK(simulation.flows().acked[0] == 103 * packet + links + 4 * ack + links);
  }
}

// W packets per round trip: the packet's way there and its acknowledgement's back.
void window_allows_one_windowful_per_round_trip() {
  for (const std::int64_t window : {1, 2, 8}) {
    NetworkConfig network = pair.network();
    network.nic.window = window * 4096 + 4095;
    Simulation simulation = start(network, 80 * 4096);
    run(simulation);
    const Time round_trip = 4 * packet + links + 4 * ack + links;
    CHECK(simulation.flows().acked[0] == (80 / window) * round_trip + (window - 1) * packet);
  }
}

void window_beyond_the_round_trip_changes_nothing() {
  NetworkConfig network = pair.network();
  network.nic.window = 1 << 20;
  Simulation simulation = start(network, 1000 * 4096);
  run(simulation);
  CHECK(simulation.flows().finish[0] == 1003 * packet + links);
}

// One message at a time: the next starts when the one before is acknowledged.
void message_limit_starts_the_next_one_when_one_is_acknowledged() {
  NetworkConfig network = pair.network();
  network.nic.messages = 1;
  Workload work;
  for (int i = 0; i < 3; ++i) add_flow(work, 0, 1, 2 * 4096);
  for (QpId& qp : work.flow_qp) qp = 0;
  Simulation simulation = testing::simulate(pair, network, work);
  run(simulation);
  CHECK(simulation.flows_done() == 3);
  for (FlowId flow = 1; flow < 3; ++flow) CHECK(simulation.flows().start[flow] == simulation.flows().acked[flow - 1]);
}

// Two queue pairs of one NIC: packet by packet both end together; in bursts as long as a message one after the other.
void bursts_decide_how_queue_pairs_share_a_nic() {
  const LeafSpine fabric{.leaves = 1, .spines = 1, .hosts_per_leaf = 3};
  for (const std::uint32_t burst : {1U, 64U}) {
    NetworkConfig network = fabric.network();
    network.nic.burst = burst;
    Workload work;
    add_flow(work, 0, 1, 64 * 4096);
    add_flow(work, 0, 2, 64 * 4096);
    Simulation simulation = testing::simulate(fabric, network, work);
    run(simulation);
    const Time way = 2 * fabric.propagation + fabric.pipeline;
    const Time first = std::min(simulation.flows().finish[0], simulation.flows().finish[1]);
    const Time last = std::max(simulation.flows().finish[0], simulation.flows().finish[1]);
    CHECK(last == 129 * packet + way);
    // By turns, the 64th of the first is the 126th: it sent one before the other had joined, and then had its turn.
    CHECK(first == (burst == 1 ? 127 : 65) * packet + way);
  }
}

// Loses exactly the packets that cross the uplink in a span of darkness; counts what is sent again.
struct Loss {
  std::uint64_t lost, resent, timeouts;
  Time finish;
};

Loss lose(bool is_selective, Time span) {
  NetworkConfig network = pair.network();
  network.nic.rate_control = LineRate::Parameters{};
  if (is_selective) network.nic.loss_recovery = LossRecovery::selective_repeat;
  network.nic.retransmit_timeout = 1'000'000'000;
  Simulation simulation = start(network, 2000 * 4096);
  simulation.advance(50'000'000, never);
  simulation.set_light(pair.leaf_port(0, 1), false);
  simulation.advance(50'000'000 + span, never);
  simulation.set_light(pair.leaf_port(0, 1), true);
  run(simulation);
  CHECK(simulation.flows_done() == 1);
  testing::conserves_packets(simulation);
  const PortId far = pair.spine_port(0, 0);
  return {simulation.drops()[far * drop_reasons + static_cast<unsigned>(DropReason::link_down)],
          simulation.qps().retransmitted[0], simulation.qps().timeouts[0], simulation.flows().finish[0]};
}

void selective_repeat_sends_again_what_was_lost_and_go_back_n_all_behind_it() {
  const Loss selective = lose(true, 1'000'000);
  const Loss back = lose(false, 1'000'000);
  CHECK(selective.lost > 5 && selective.resent == selective.lost && selective.timeouts == 0);
  // Go-back-N also repeats what was on its way for a round trip: 4 wires, two times the links.
  CHECK(back.resent > back.lost + 2 * links / packet && back.timeouts == 0);
  CHECK(selective.finish < back.finish);
  CHECK(selective.finish == 2003 * packet + links + static_cast<Time>(selective.lost) * packet);
}

void retransmission_timeout_recovers_the_last_packet_of_a_message() {
  for (const bool is_selective : {false, true}) {
    NetworkConfig network = pair.network();
    if (is_selective) network.nic.loss_recovery = LossRecovery::selective_repeat;
    network.nic.retransmit_timeout = 500'000'000;
    Simulation simulation = start(network, 4096);
    simulation.set_light(pair.leaf_port(0, 1), false);
    simulation.advance(100'000'000, never);
    simulation.set_light(pair.leaf_port(0, 1), true);
    run(simulation);
    CHECK(simulation.qps().timeouts[0] == 1);
    CHECK(simulation.flows().finish[0] == 500'000'000 + 4 * packet + links);
  }
}

void selective_repeat_outlives_bit_errors_in_both_directions() {
  NetworkConfig network = pair.network();
  network.nic.rate_control = LineRate::Parameters{};
  network.nic.loss_recovery = LossRecovery::selective_repeat;
  network.nic.retransmit_timeout = 100'000'000;
  Workload work;
  for (int i = 0; i < 50; ++i) add_flow(work, 0, 1, 40 * 4096 + 17 * i);
  for (QpId& qp : work.flow_qp) qp = 0;
  Simulation simulation = testing::simulate(pair, network, work);
  simulation.set_bit_errors(pair.leaf_port(0, 1), 2e-6);
  run(simulation);
  CHECK(simulation.flows_done() == 50);
  CHECK(testing::drops_for(simulation, DropReason::corrupt) > 50);
  CHECK(std::is_sorted(simulation.flows().finish.begin(), simulation.flows().finish.end()));
  testing::conserves_packets(simulation);
}

// A 15th of the packets is lost, of 3000 some twice and thrice. What was sent behind each tells, without a timeout.
void what_is_lost_again_is_sent_again_before_the_timeout() {
  NetworkConfig network = pair.network();
  network.nic.rate_control = LineRate::Parameters{};
  network.nic.loss_recovery = LossRecovery::selective_repeat;
  Workload work;
  add_flow(work, 0, 1, 3000 * 4096);
  Simulation simulation = testing::simulate(pair, network, work);
  simulation.set_bit_errors(pair.leaf_port(0, 1), 2e-6);
  simulation.set_traced(0, true);
  run(simulation);
  std::vector<int> times(3000, 0);
  for (const TraceRecord& record : simulation.take_trace()) ++times[record.psn & 0xFF'FFFFU];
  CHECK(std::count_if(times.begin(), times.end(), [](int sent) { return sent > 2; }) > 5);
  CHECK(simulation.flows_done() == 1 && simulation.qps().timeouts[0] == 0);
  // Hardly anything is sent in vain: one transmission for each packet and each loss, of data or of an acknowledgement.
  CHECK(simulation.qps().retransmitted[0] <= testing::drops_for(simulation, DropReason::corrupt));
  const Time line = (3000 + static_cast<Time>(simulation.qps().retransmitted[0])) * wire_time(4178, pair.speed);
  CHECK(simulation.flows().finish[0] < line + 20'000'000);  // some round trips of 5 us; a timeout is 67 ms
}

// PSNs have 24 bits: go on past their end. 2^24 packets would take long; the distance function is what matters.
void packet_numbers_go_round() {
  CHECK(psn_distance(5, (1U << 24) + 3) == 2);
  CHECK(psn_distance(0xFFFFFE, 1U << 24) == -2);
  CHECK(psn_distance(0, 0xFFFFFF) == 1);
}

template <typename Change>
bool is_refused(Change change) {
  const LeafSpine fabric{.leaves = 1, .spines = 1, .hosts_per_leaf = 2};
  NetworkConfig network = fabric.network();
  Workload work;
  add_flow(work, 0, 1, 4096);
  change(network, work);
  try {
    Simulation simulation(network, work);
  } catch (const std::invalid_argument&) {
    return true;
  }
  return false;
}

void numbers_whose_sums_would_overflow_are_refused() {
  CHECK(!is_refused([](NetworkConfig&, Workload&) {}));
  CHECK(is_refused([](NetworkConfig& network, Workload&) { network.ports[0].propagation = never; }));
  CHECK(is_refused([](NetworkConfig& network, Workload&) { network.pipeline_latency[0] = never; }));
  CHECK(is_refused([](NetworkConfig& network, Workload&) { network.nic.retransmit_timeout = never; }));
  CHECK(is_refused([](NetworkConfig& network, Workload&) { network.nic.mtu = never; }));
  CHECK(is_refused([](NetworkConfig& network, Workload&) { network.nic.header_bytes = never; }));
  CHECK(is_refused([](NetworkConfig&, Workload& work) { work.flow_bytes[0] = never; }));
  CHECK(is_refused([](NetworkConfig&, Workload& work) { work.flow_start[0] = never; }));
  CHECK(is_refused([](NetworkConfig&, Workload& work) { work.flow_delay = {never}; }));
}

}  // namespace

int main() {
  receiver_acknowledges_every_nth_packet_and_the_last();
  window_allows_one_windowful_per_round_trip();
  window_beyond_the_round_trip_changes_nothing();
  message_limit_starts_the_next_one_when_one_is_acknowledged();
  bursts_decide_how_queue_pairs_share_a_nic();
  selective_repeat_sends_again_what_was_lost_and_go_back_n_all_behind_it();
  retransmission_timeout_recovers_the_last_packet_of_a_message();
  selective_repeat_outlives_bit_errors_in_both_directions();
  what_is_lost_again_is_sent_again_before_the_timeout();
  packet_numbers_go_round();
  numbers_whose_sums_would_overflow_are_refused();
  return testing::verdict();
}
