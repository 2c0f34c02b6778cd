// What a switch does with a frame, against closed forms. Each test is a claim.

#include <algorithm>
#include <cmath>

#include "checks.hpp"
#include "leaf_spine.hpp"

namespace {

using namespace raddle;
using testing::add_flow;
using testing::drops_for;
using testing::incast;
using testing::LeafSpine;
using testing::run;
using testing::total_drops;

constexpr LeafSpine pair{.leaves = 2, .spines = 1, .hosts_per_leaf = 1};
constexpr Time packet = 83'560;  // 4096 bytes of payload at 400G
constexpr Time links = 4 * pair.propagation + 3 * pair.pipeline;

Workload one_flow(std::int64_t bytes) {
  Workload work;
  add_flow(work, 0, 1, bytes);
  return work;
}

// N packets over h links: N on the first wire; every further switch adds its cut, 72 bytes, and no whole frame.
void cut_through_adds_only_the_cut_at_every_switch() {
  NetworkConfig network = pair.network();
  network.cuts_through = {1, 1, 1};
  Simulation simulation = testing::simulate(pair, network, one_flow(100 * 4096));
  run(simulation);
  CHECK(simulation.flows().finish[0] == 100 * packet + 3 * (8 + 64) * 20 + links);
}

void slower_port_in_makes_a_switch_store_the_frame() {
  NetworkConfig network = pair.network();
  network.cuts_through = {1, 1, 1};
  network.ports[0].speed = network.ports[pair.leaf_port(0, 0)].speed = 100'000'000'000;
  Simulation simulation = testing::simulate(pair, network, one_flow(4096));
  run(simulation);
  // The host's link is slower than the leaf's uplink: stored there, cut through behind.
  CHECK(simulation.flows().finish[0] == 4 * packet + 2 * (8 + 64) * 20 + packet + links);
}

// Two hosts of a leaf send to one of another, whose leaf's routes go over one spine: only the pinned pair's data
// goes over the other, and its acknowledgements stay.
void policy_overrides_the_route_of_one_queue_pair_and_direction() {
  constexpr LeafSpine fabric{.leaves = 2, .spines = 2, .hosts_per_leaf = 2};
  Workload work;
  add_flow(work, 0, 2, 4096);
  add_flow(work, 1, 2, 4096);
  Simulation simulation(fabric.network(), work);
  for (NodeId i = 0; i < 4; ++i) {
    SwitchConfig state = fabric.switch_state(i, true);
    if (i < 2) fabric.pin(state, i);
    if (i == 0) state.policies = {fabric.hosts_per_leaf + 1, none, none, none};  // port 3, group 3: spine 1
    simulation.set_switch(i, state);
  }
  CHECK(simulation.trace(0, false)[1] == fabric.leaf_port(0, 3));
  CHECK(simulation.trace(1, false)[1] == fabric.leaf_port(0, 2));
  const std::vector<PortId> back = simulation.trace(0, true);
  CHECK(back[1] == fabric.leaf_port(1, 2));
  run(simulation);
  CHECK(simulation.flows_done() == 2);
  CHECK(simulation.queues()[fabric.leaf_port(0, 3) * priorities + 3].tx_frames == 1);
  CHECK(simulation.queues()[fabric.leaf_port(0, 2) * priorities + 3].tx_frames == 1);
}

// Three hosts send to one, two of them for one owner; a third owner sends elsewhere.
void pauses_and_marks_belong_to_whose_packets_wait_there() {
  constexpr LeafSpine fabric{.leaves = 2, .spines = 1, .hosts_per_leaf = 4};
  Workload work;
  for (const NodeId sender : {1U, 2U, 3U}) add_flow(work, sender, 0, 8'000'000);
  add_flow(work, 5, 4, 8'000'000);
  Simulation simulation = testing::simulate(fabric, fabric.network(), work, true, 4'000'000);
  simulation.set_owners({0, 0, 1, 2}, 3);
  run(simulation);
  const std::vector<double> paused = simulation.owner_pause_time();
  const std::vector<Time> halted = simulation.pause_time();
  const auto of = [&](NodeId host, std::size_t owner) { return paused[host * 3 + owner]; };
  for (const NodeId host : {1U, 2U, 3U}) {
    CHECK(halted[host * priorities + 3] > 0);
    // Three senders stand equally in the queue, whichever port is halted; the halt acts a cable later.
    CHECK(std::abs(of(host, 0) / (of(host, 0) + of(host, 1)) - 2.0 / 3) < 0.1);
    const double all = of(host, 0) + of(host, 1);
    CHECK(std::abs(all / static_cast<double>(halted[host * priorities + 3]) - 1) < 0.1);
  }
  for (PortId port = 0; port < simulation.ports().size(); ++port) CHECK(paused[port * 3 + 2] == 0);
  const PortId hot = fabric.leaf_port(0, 0);
  const auto& marks = simulation.owner_marks();
  CHECK(marks[hot * 3] + marks[hot * 3 + 1] == simulation.marks()[hot * priorities + 3]);
}

void frame_longer_than_the_mtu_is_dropped_where_it_would_leave() {
  NetworkConfig network = pair.network();
  network.nic.retransmit_timeout = 1'000'000;
  for (const std::uint32_t mtu : {4140U, 4139U}) {  // 4158 bytes less 18 of Ethernet
    Simulation simulation(network, one_flow(3 * 4096));
    for (NodeId i = 0; i < 3; ++i) {
      SwitchConfig state = pair.switch_state(i, true);
      for (SwitchPortConfig& port : state.ports) port.mtu = mtu;
      simulation.set_switch(i, state);
    }
    run(simulation);
    CHECK((simulation.flows_done() == 1) == (mtu == 4140));
    CHECK((drops_for(simulation, DropReason::mtu) > 0) == (mtu == 4139));
    CHECK(drops_for(simulation, DropReason::mtu) == total_drops(simulation));
  }
}

// The leaf sends what is for host 1 up and the spine back down: 64 hops, and the 64th switch drops it.
void packet_in_a_routing_loop_ends_with_its_ttl() {
  NetworkConfig network = pair.network();
  network.nic.retry_count = 0;
  Simulation simulation = testing::simulate(pair, network, one_flow(4096));
  SwitchConfig spine = pair.switch_state(2, true);
  spine.fib[1] = 0;
  simulation.set_switch(2, spine);
  run(simulation);
  CHECK(drops_for(simulation, DropReason::ttl) == 1 && total_drops(simulation) == 1);
  CHECK(simulation.queues()[pair.leaf_port(0, 1) * priorities + 3].tx_frames == 32);
  CHECK(simulation.queues()[pair.spine_port(0, 0) * priorities + 3].tx_frames == 31);
}

// Two hosts of one leaf send in several classes to a third; the switch's queues share its link.
struct Classes {
  LeafSpine fabric{.leaves = 1, .spines = 1, .hosts_per_leaf = 9};
  NetworkConfig network = fabric.network();
  Workload work;

  Classes() { network.nic.rate_control = LineRate::Parameters{}; }
  // Host 1 + i sends with priority `priority` to host 0.
  void add(NodeId sender, std::uint8_t priority, std::int64_t bytes = 64 << 20) {
    add_flow(work, sender, 0, bytes);
    work.qp_dscp.back() = priority;
    work.qp_priority.back() = priority;
  }
  SwitchConfig leaf() const {
    SwitchConfig state = fabric.switch_state(0, true);
    for (unsigned dscp = 0; dscp < dscps; ++dscp) state.qos[0].dscp_to_tc[dscp] = static_cast<std::uint8_t>(dscp % 8);
    for (SwitchPortConfig& port : state.ports) port.pfc_enable = 0xFF;
    return state;
  }
  Simulation start(const SwitchConfig& state) const {
    Simulation simulation(network, work);
    simulation.set_switch(0, state);
    simulation.set_switch(1, fabric.switch_state(1, true));
    return simulation;
  }
  double sent(const Simulation& simulation, unsigned queue) const {
    return static_cast<double>(simulation.queues()[fabric.leaf_port(0, 0) * priorities + queue].tx_bytes);
  }
};

void weights_share_the_link_among_eight_queues() {
  Classes classes;
  SwitchConfig state = classes.leaf();
  double total_weight = 0;
  for (std::uint8_t q = 0; q < 8; ++q) {
    classes.add(q + 1, q);
    state.ports[0].queue_weight[q] = q + 1U;
    total_weight += q + 1;
  }
  Simulation simulation = classes.start(state);
  simulation.advance(500'000'000, never);
  double all = 0;
  for (unsigned q = 0; q < 8; ++q) all += classes.sent(simulation, q);
  // Deficit round robin is off by at most a quantum and a frame in each queue.
  for (unsigned q = 0; q < 8; ++q) {
    CHECK(std::abs(classes.sent(simulation, q) - all * (q + 1) / total_weight) < 2 * (4158 + 8 * 512));
  }
  CHECK(all > 0.99 * 500e-6 * 400e9 / 8 * 4158 / 4178);
}

void strict_queue_starves_the_others_and_the_higher_goes_first() {
  Classes classes;
  SwitchConfig state = classes.leaf();
  for (const std::uint8_t q : {std::uint8_t{1}, std::uint8_t{5}, std::uint8_t{6}}) {
    classes.add(q, q, q == 1 ? 64 << 20 : 4 << 20);
    state.ports[0].queue_weight[q] = q == 1 ? 1 : 0;
  }
  Simulation simulation = classes.start(state);
  run(simulation);
  const std::vector<Time>& finish = simulation.flows().finish;
  CHECK(finish[2] < finish[1] && finish[1] < finish[0]);
  // The highest alone: 1024 packets at line rate, but for the frame that was on the wire.
  CHECK(finish[2] <= 1026 * packet + 2 * classes.fabric.propagation + classes.fabric.pipeline);
}

void lossy_class_is_dropped_by_wred_and_the_lossless_one_beside_it_is_not() {
  Classes classes;
  for (const NodeId sender : {1U, 2U, 3U}) classes.add(sender, 0, 8 << 20);
  for (const NodeId sender : {4U, 5U, 6U}) classes.add(sender, 3, 8 << 20);
  classes.network.nic.retransmit_timeout = 1'000'000'000;
  SwitchConfig state = classes.leaf();
  state.wred.push_back({100'000, 400'000, 0.1, false, true});
  for (SwitchPortConfig& port : state.ports) {
    port.pfc_enable = 1 << 3;
    port.queue_wred[0] = 1;
  }
  Simulation simulation = classes.start(state);
  run(simulation);
  CHECK(simulation.is_done());
  CHECK(drops_for(simulation, DropReason::wred) > 0);
  CHECK(drops_for(simulation, DropReason::wred) == total_drops(simulation));
  // Of a queue above its maximum everything is dropped.
  CHECK(simulation.queues()[classes.fabric.leaf_port(0, 0) * priorities].max_bytes <= 400'000 + 4158);
  for (QpId qp = 3; qp < 6; ++qp) CHECK(simulation.qps().drops[qp] == 0 && simulation.flows().finish[qp] < never);
  testing::conserves_packets(simulation);
}

void static_egress_threshold_bounds_the_queue_to_the_byte() {
  Classes classes;
  for (const NodeId sender : {1U, 2U}) classes.add(sender, 0, 2 << 20);
  SwitchConfig state = classes.leaf();
  state.pools.push_back({30'000'000, 0});
  state.profiles.push_back({1, 10'000, false, 0, 100'000, 0, 0, 0});
  for (SwitchPortConfig& port : state.ports) port.queue_profile[0] = 1;
  Simulation simulation = classes.start(state);
  simulation.advance(100'000'000, never);
  const std::int64_t most = simulation.queues()[classes.fabric.leaf_port(0, 0) * priorities].max_bytes;
  CHECK(most <= 110'000 && most + 4158 > 110'000);
  CHECK(drops_for(simulation, DropReason::egress_buffer) == total_drops(simulation) && total_drops(simulation) > 0);
}

// alpha = 1/2 of the free pool: one queue alone settles where used = (size - used) / 2, a third of the pool.
void dynamic_egress_threshold_settles_at_its_fixed_point() {
  Classes classes;
  for (const NodeId sender : {1U, 2U}) classes.add(sender, 0, 8 << 20);
  SwitchConfig state = classes.leaf();
  state.pools.push_back({900'000, 0});
  state.profiles.push_back({1, 0, true, -1, 0, 0, 0, 0});
  for (SwitchPortConfig& port : state.ports) port.queue_profile[0] = 1;
  Simulation simulation = classes.start(state);
  simulation.advance(200'000'000, never);
  const std::int64_t most = simulation.queues()[classes.fabric.leaf_port(0, 0) * priorities].max_bytes;
  CHECK(most <= 300'000 + 4158 && most > 300'000 - 2 * 4158);
}

// Eight paused senders share headroom for one: what does not fit is dropped; with enough of it nothing is.
void shared_headroom_is_one_pool_for_all_priority_groups() {
  for (const std::int64_t headroom : {100'000L, 8 * 100'000L}) {
    Classes classes;
    for (NodeId sender = 1; sender <= 8; ++sender) classes.add(sender, 3, 1 << 20);
    classes.network.nic.retransmit_timeout = 1'000'000'000;
    SwitchConfig state = classes.leaf();
    state.pools[0] = {200'000, headroom};
    state.profiles[0].headroom = 100'000;
    Simulation simulation = classes.start(state);
    run(simulation);
    CHECK((total_drops(simulation) == 0) == (headroom == 800'000));
    CHECK(drops_for(simulation, DropReason::ingress_buffer) == total_drops(simulation));
    const Simulation::Watermarks most = simulation.watermarks();
    std::uint64_t lost = 0;
    std::int64_t fullest = 0;
    for (const Losses& losses : simulation.pg_losses()) lost += losses.frames;
    for (const std::int64_t bytes : most.pg_headroom) fullest = std::max(fullest, bytes);
    CHECK(lost == total_drops(simulation));
    CHECK(most.pool_headroom[0] <= headroom && most.pool_headroom[0] > 100'000 - 4158);
    CHECK(fullest > 0 && fullest <= std::min<std::int64_t>(100'000, most.pool_headroom[0]));
    CHECK(most.pool[0] <= 200'000 && most.pool[0] > 200'000 - 8 * 4158);
  }
}

// One frame alone fills what it takes of each pool for an instant; a port beside it holds nothing.
void frame_through_an_idle_switch_leaves_its_watermark() {
  Simulation simulation(pair.network(), one_flow(4096));
  for (NodeId i = 0; i < 3; ++i) {
    SwitchConfig state = pair.switch_state(i, true);
    state.pools = {{30'000'000, 0}, {30'000'000, 0}};
    state.profiles[0].reserved = 1000;
    state.profiles.push_back({1, 600, true, 0, 0, 0, 0, 0});
    for (SwitchPortConfig& port : state.ports) port.queue_profile[3] = 1;
    simulation.set_switch(i, state);
  }
  run(simulation);
  const Simulation::Watermarks most = simulation.watermarks();
  CHECK(most.pool_offsets == std::vector<std::int64_t>({0, 2, 4, 6}));
  CHECK(most.pool == std::vector<std::int64_t>({3158, 4158, 3158, 4158, 3158, 4158}));
  const QueueId in = pair.leaf_port(0, 0) * priorities + 3, out = pair.leaf_port(0, 1) * priorities + 3;
  CHECK(most.pg[in] == 3158 && most.queue[out] == 3558 && most.pg_headroom[in] == 0);
  CHECK(most.pg[in + 1] == 0 && most.queue[out + 1] == 0);
  simulation.clear_watermarks();
  CHECK(simulation.watermarks().pool == std::vector<std::int64_t>(6, 0));
  CHECK(simulation.watermarks().queue[out] == 0 && simulation.pg_max_bytes()[in] == 0);
}

// A group resumes when all of its bytes, reserved ones included, are down to XON or to the limit less the offset.
// Here the limit is 19,456 + 10,000, less 9,000: 20,456, above XON's 19,456.
// SOURCE: SAI saibuffer.h, SAI_BUFFER_PROFILE_ATTR_XON_TH and _XON_OFFSET_TH.
void pause_ends_by_all_bytes_of_the_group() {
  constexpr LeafSpine fabric{.leaves = 1, .spines = 1, .hosts_per_leaf = 4};
  NetworkConfig network = fabric.network();
  network.nic.rate_control = LineRate::Parameters{};
  network.nic.mtu = 256;
  Simulation simulation(network, incast(3, 1 << 20));
  for (NodeId i = 0; i < 2; ++i) {
    SwitchConfig state = fabric.switch_state(i, true);
    state.profiles[0] = {0, 19'456, false, 0, 10'000, 19'456, 9'000, 250'000};
    simulation.set_switch(i, state);
  }
  const PriorityGroup& group = simulation.pgs()[fabric.leaf_port(0, 1) * priorities + 3];
  std::int64_t most = 0;
  bool was_paused = false;
  for (Time until = 0; !simulation.is_done(); until += 338 * 20) {  // a frame of 256 bytes at 400G
    simulation.advance(until, never);
    if (was_paused && !group.is_xoff) most = std::max(most, group.used);
    was_paused = group.is_xoff;
  }
  CHECK(most <= 20'456 && most > 20'456 - 2 * 318);
}

// Of eight senders those that are paused go on when the group that paused them has lost its buffer profile, and when
// it has it again.
void pause_ends_with_the_buffer_profile_that_it_was_for() {
  constexpr LeafSpine fabric{.leaves = 1, .spines = 1, .hosts_per_leaf = 9};
  NetworkConfig network = fabric.network();
  network.nic.rate_control = LineRate::Parameters{};
  network.nic.retransmit_timeout = 100'000'000;
  Simulation simulation = testing::simulate(fabric, network, incast(8, 1 << 20), true, 500'000);
  simulation.advance(50'000'000, never);
  CHECK(testing::total_pauses(simulation) > 0);
  SwitchConfig without = fabric.switch_state(0, true, 500'000);
  for (SwitchPortConfig& port : without.ports) port.pg_profile[3] = none;
  simulation.set_switch(0, without);
  simulation.advance(60'000'000, never);
  for (NodeId host = 0; host < 9; ++host) CHECK(simulation.ports()[host].paused == 0);
  simulation.set_switch(0, fabric.switch_state(0, true, 500'000));
  run(simulation);
  CHECK(simulation.flows_done() == 8);
}

}  // namespace

int main() {
  cut_through_adds_only_the_cut_at_every_switch();
  slower_port_in_makes_a_switch_store_the_frame();
  policy_overrides_the_route_of_one_queue_pair_and_direction();
  pauses_and_marks_belong_to_whose_packets_wait_there();
  frame_longer_than_the_mtu_is_dropped_where_it_would_leave();
  packet_in_a_routing_loop_ends_with_its_ttl();
  weights_share_the_link_among_eight_queues();
  strict_queue_starves_the_others_and_the_higher_goes_first();
  lossy_class_is_dropped_by_wred_and_the_lossless_one_beside_it_is_not();
  static_egress_threshold_bounds_the_queue_to_the_byte();
  dynamic_egress_threshold_settles_at_its_fixed_point();
  shared_headroom_is_one_pool_for_all_priority_groups();
  frame_through_an_idle_switch_leaves_its_watermark();
  pause_ends_by_all_bytes_of_the_group();
  pause_ends_with_the_buffer_profile_that_it_was_for();
  return testing::verdict();
}
