// Cables, hosts and pauses that do not behave. Each test is a claim.

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

constexpr Time us = 1'000'000;
constexpr LeafSpine pair{.leaves = 2, .spines = 1, .hosts_per_leaf = 1};
constexpr Time packet = 83'560;  // 4096 bytes of payload at 400G
constexpr Time links = 4 * pair.propagation + 3 * pair.pipeline;

Workload one_flow(std::int64_t bytes) {
  Workload work;
  add_flow(work, 0, 1, bytes);
  return work;
}

void dark_cable_loses_what_its_ends_still_send() {
  Simulation simulation = testing::simulate(pair, pair.network(), one_flow(10'000 * 4096));
  simulation.advance(100 * us, never);
  simulation.set_light(pair.leaf_port(0, 1), false);
  simulation.advance(110 * us, never);
  const PortId far = pair.spine_port(0, 0);
  // 10 us of a busy 400G wire, and what was under way.
  const auto lost = static_cast<Time>(simulation.drops()[far * drop_reasons + static_cast<unsigned>(DropReason::link_down)]);
  CHECK(std::abs(lost - 10 * us / packet) <= 2);
  CHECK(simulation.ports()[pair.leaf_port(0, 1)].is_up);
  simulation.set_light(pair.leaf_port(0, 1), true);
  run(simulation);
  CHECK(simulation.flows_done() == 1);
  testing::conserves_packets(simulation);
}

// A frame of n bits is lost with 1 - (1 - ratio)^n; here 4158 bytes at 1e-6: 3.27 %.
void bit_errors_lose_their_share_of_frames() {
  NetworkConfig network = pair.network();
  network.nic.rate_control = LineRate::Parameters{};
  network.nic.retransmit_timeout = 1000 * us;
  Simulation simulation = testing::simulate(pair, network, one_flow(20'000 * 4096));
  simulation.set_bit_errors(pair.leaf_port(0, 1), 1e-6);
  run(simulation);
  CHECK(simulation.flows_done() == 1);
  const auto frames = static_cast<double>(simulation.queues()[pair.leaf_port(0, 1) * priorities + 3].tx_frames);
  const double chance = 1 - std::pow(1 - 1e-6, 8 * 4158);
  const auto lost = static_cast<double>(
      simulation.drops()[pair.spine_port(0, 0) * drop_reasons + static_cast<unsigned>(DropReason::corrupt)]);
  CHECK(std::abs(lost - frames * chance) < 5 * std::sqrt(frames * chance));
  CHECK(drops_for(simulation, DropReason::corrupt) == total_drops(simulation));
}

void no_bit_errors_change_nothing() {
  Simulation with = testing::simulate(pair, pair.network(), one_flow(1000 * 4096));
  with.set_bit_errors(pair.leaf_port(0, 1), 1e-18);
  Simulation without = testing::simulate(pair, pair.network(), one_flow(1000 * 4096));
  run(with);
  run(without);
  CHECK(with.flows().acked == without.flows().acked);
}

// The host takes 100G of the frames' bytes: 1000 frames of 4158 bytes take 332.64 us, less what the buffer holds.
void slow_host_holds_its_sender_to_its_pace_without_loss() {
  NetworkConfig network = pair.network();
  network.nic.rate_control = LineRate::Parameters{};
  Simulation simulation = testing::simulate(pair, network, one_flow(1000 * 4096));
  simulation.set_receiver(1, 100'000'000'000, 400'000, 100'000, 50'000);
  run(simulation);
  CHECK(simulation.flows_done() == 1 && total_drops(simulation) == 0);
  const Time whole = wire_time(1000 * 4158, 100'000'000'000);
  const Time finish = simulation.flows().finish[0];
  CHECK(finish < whole + 10 * us && finish > whole - wire_time(400'000, 100'000'000'000));
  CHECK(testing::total_pauses(simulation) > 0);
}

void slow_host_without_room_for_the_pause_loses_data() {
  NetworkConfig network = pair.network();
  network.nic.rate_control = LineRate::Parameters{};
  network.nic.retransmit_timeout = 100 * us;
  Simulation simulation = testing::simulate(pair, network, one_flow(1000 * 4096));
  simulation.set_receiver(1, 100'000'000'000, 50'000, 50'000, 20'000);
  run(simulation);
  CHECK(drops_for(simulation, DropReason::receiver) > 0);
  testing::conserves_packets(simulation);
}

// 65535 quanta of 512 bit times at 400G: 83.8848 us.
void pause_that_nobody_renews_ends_after_its_quanta() {
  for (const std::uint32_t quanta : {0U, 65535U}) {
    NetworkConfig network = pair.network();
    network.nic.pause_quanta = quanta;
    Workload work = one_flow(4096);
    work.flow_start[0] = 50 * us;
    Simulation simulation = testing::simulate(pair, network, work);
    simulation.set_storm(1, 1 << 3);
    simulation.advance(20 * us, never);
    simulation.set_light(1, false);  // the NIC's renewals do not come through any more
    const PortId to_host = pair.leaf_port(1, 0);
    const Time heard = 84 * 20 + pair.propagation;
    simulation.advance(heard + 83'884'800 - 1, never);
    CHECK((simulation.ports()[to_host].paused & 1 << 3) != 0);
    simulation.advance(heard + 83'884'800, never);
    CHECK((simulation.ports()[to_host].paused & 1 << 3) == (quanta == 0 ? 1 << 3 : 0));
  }
}

void renewed_pause_holds_as_long_as_it_is_wanted() {
  NetworkConfig network = pair.network();
  network.nic.pause_quanta = 65535;
  Simulation simulation = testing::simulate(pair, network, one_flow(4096));
  simulation.set_storm(1, 1 << 3);
  simulation.advance(1'000 * us, never);
  CHECK(simulation.flows_done() == 0);
  CHECK(simulation.pauses()[pair.leaf_port(1, 0) * priorities + 3] == 1);
  simulation.set_storm(1, 0);
  run(simulation);
  CHECK(simulation.flows().finish[0] < 1'010 * us);
}

void renewals_lose_nothing_in_an_incast() {
  const LeafSpine fabric{.leaves = 2, .spines = 2, .hosts_per_leaf = 8};
  NetworkConfig network = fabric.network();
  network.nic.rate_control = LineRate::Parameters{};
  network.nic.pause_quanta = 1000;  // 1.28 us: many renewals
  Simulation simulation = testing::simulate(fabric, network, incast(15, 2 << 20), true, 1'000'000);
  run(simulation);
  CHECK(simulation.flows_done() == 15 && total_drops(simulation) == 0);
}

// A lost XON would hold for ever without quanta.
void pauses_survive_bit_errors_because_they_end_by_themselves() {
  const LeafSpine fabric{.leaves = 2, .spines = 2, .hosts_per_leaf = 8};
  NetworkConfig network = fabric.network();
  network.nic.rate_control = LineRate::Parameters{};
  network.nic.pause_quanta = 4000;
  network.nic.retransmit_timeout = 100 * us;
  Simulation simulation = testing::simulate(fabric, network, incast(15, 1 << 20), true, 1'000'000);
  for (NodeId host = 0; host < 16; ++host) simulation.set_bit_errors(host, 1e-6);
  run(simulation);
  CHECK(simulation.flows_done() == 15 && drops_for(simulation, DropReason::corrupt) > 0);
  testing::conserves_packets(simulation);
}

// A PFC frame of Q quanta each 1/R: the queue stands for min(1, R Q 512/C) of the time.
void storm_of_frames_halts_its_share() {
  NetworkConfig network = pair.network();
  network.nic.pause_quanta = 65535;
  const PortId to_host = pair.leaf_port(1, 0);
  const std::size_t queue = to_host * priorities + 3;
  struct Case {
    Time period;
    std::uint32_t quanta;
    Time paused;  // of 2 ms
  };
  for (const Case& each : {Case{100 * us, 1000, 20 * 1'280'000}, Case{200 * us, 65535, 10 * 83'884'800},
                           Case{50 * us, 65535, 2000 * us}, Case{50 * us, 0, 0}}) {
    Simulation simulation = testing::simulate(pair, network, one_flow(400 << 20));
    simulation.set_storm(1, 1 << 3, each.period, each.quanta);
    const Time heard = 84 * 20 + pair.propagation;
    simulation.advance(2000 * us + heard, never);
    // A frame may wait for one that is on its way, such as an acknowledgement.
    CHECK(std::abs(simulation.pause_time()[queue] - each.paused) <= 2 * packet);
    const std::uint64_t frames = simulation.pfc_received()[queue];
    CHECK(frames == static_cast<std::uint64_t>(2000 * us / each.period) + 1 || frames == static_cast<std::uint64_t>(2000 * us / each.period));
    simulation.set_storm(1, 0);
    const std::uint64_t before = simulation.pfc_received()[queue];
    simulation.advance(3000 * us, never);
    CHECK(simulation.pfc_received()[queue] <= before + 1);
    run(simulation);
    CHECK(simulation.flows_done() == 1 && total_drops(simulation) == 0);
  }
}

// Pauses of 2 us behind one of 84: the last frame says how long.
void shorter_pause_ends_sooner() {
  NetworkConfig network = pair.network();
  network.nic.pause_quanta = 65535;
  Simulation simulation = testing::simulate(pair, network, one_flow(400 << 20));
  const PortId to_host = pair.leaf_port(1, 0);
  simulation.set_storm(1, 1 << 3, 1000 * us, 65535);
  simulation.advance(10 * us, never);
  simulation.set_storm(1, 1 << 3, 1000 * us, 1562);  // 2 us
  simulation.advance(13 * us, never);
  CHECK((simulation.ports()[to_host].paused & 1 << 3) == 0);
  simulation.set_storm(1, 1 << 3, 1000 * us, 65535);
  simulation.advance(90 * us, never);
  CHECK((simulation.ports()[to_host].paused & 1 << 3) != 0);  // the expiry of the first storm is none of this one
  simulation.advance(99 * us, never);
  CHECK((simulation.ports()[to_host].paused & 1 << 3) == 0);
}

}  // namespace

int main() {
  dark_cable_loses_what_its_ends_still_send();
  bit_errors_lose_their_share_of_frames();
  no_bit_errors_change_nothing();
  slow_host_holds_its_sender_to_its_pace_without_loss();
  slow_host_without_room_for_the_pause_loses_data();
  pause_that_nobody_renews_ends_after_its_quanta();
  renewed_pause_holds_as_long_as_it_is_wanted();
  renewals_lose_nothing_in_an_incast();
  pauses_survive_bit_errors_because_they_end_by_themselves();
  storm_of_frames_halts_its_share();
  shorter_pause_ends_sooner();
  return testing::verdict();
}
