// The PFC watchdog against a NIC that storms PFC. Each test is a claim.

#include <vector>

#include "checks.hpp"
#include "leaf_spine.hpp"

namespace {

using namespace raddle;
using testing::add_flow;
using testing::LeafSpine;

constexpr Time ms = 1'000'000'000;
constexpr LeafSpine fabric{.leaves = 2, .spines = 1, .hosts_per_leaf = 2};
const PortId stormed = fabric.leaf_port(0, 0);

// Host 2 sends to host 0, whose NIC storms from the start, and to host 1 beside it; a last flow keeps the run going.
Simulation storm(WatchdogConfig watchdog, NetworkConfig network = fabric.network()) {
  network.nic.rate_control = LineRate::Parameters{};
  Workload work;
  add_flow(work, 2, 0, 64 << 20);
  add_flow(work, 2, 1, 64 << 20);
  add_flow(work, 3, 1, 4096);
  work.flow_start[2] = 900 * ms;
  Simulation simulation(network, work);
  for (NodeId i = 0; i < 3; ++i) {
    SwitchConfig state = fabric.switch_state(i, true, 1'000'000);
    for (SwitchPortConfig& port : state.ports) port.watchdog = watchdog;
    simulation.set_switch(i, state);
  }
  simulation.set_storm(0, 1 << 3);
  return simulation;
}

const WatchdogQueue& queue_of(const Simulation& simulation) {
  return simulation.watchdog_queues()[stormed * priorities + 3];
}

StormCounts counts_of(const Simulation& simulation, bool is_latest = false) {
  return simulation.storm_counts(is_latest)[stormed * priorities + 3];
}

// Five storms one after the other; of their profiles nothing is left.
void profiles_of_storms_end_with_them() {
  Simulation simulation = storm({.queues = 1 << 3, .detect = 10 * ms, .restore = 10 * ms});
  for (int i = 1; i <= 5; ++i) {
    simulation.advance((60 * i - 30) * ms, never);
    CHECK(queue_of(simulation).is_storm && simulation.switches()[0].profiles.size() > 1);
    simulation.set_storm(0, 0);
    simulation.advance(60 * i * ms, never);
    CHECK(!queue_of(simulation).is_storm && simulation.switches()[0].profiles.size() == 1);
    simulation.set_storm(0, 1 << 3);
  }
}

void without_a_watchdog_a_storm_stops_its_victims() {
  Simulation simulation = storm({});
  simulation.advance(400 * ms, never);
  CHECK(simulation.flows_done() == 0);
  CHECK(simulation.watchdog_queues().empty() && simulation.watchdog_events().empty());
}

void storm_is_detected_after_the_detection_time() {
  Simulation simulation = storm({.queues = 1 << 3, .detect = 200 * ms, .restore = 200 * ms});
  simulation.advance(300 * ms, never);
  // The pause left the NIC at 0: 84 bytes at 400G, then 30 m; the upstream queues are freed in time.
  const Time paused = 84 * 20 + fabric.propagation;
  CHECK(simulation.watchdog_events().size() == 1);
  CHECK(simulation.watchdog_events()[0].time == paused + 200 * ms);
  CHECK(simulation.watchdog_events()[0].port == stormed && simulation.watchdog_events()[0].queue == 3);
  CHECK(queue_of(simulation).is_storm && queue_of(simulation).detected == 1);
}

// What happened at the port whose NIC storms. Its switch may look later than those that it holds up in turn.
std::vector<Time> events_of(const Simulation& simulation, PortId port = stormed) {
  std::vector<Time> times;
  for (const WatchdogEvent& event : simulation.watchdog_events()) {
    if (event.port == port) times.push_back(event.time);
  }
  return times;
}

// SONiC's script takes the poll interval off the detection time at each look that finds the queue paused, if it was
// paused at the look before: 200 ms are two intervals of 150 ms, the first of which begins at the first look.
void polling_counts_whole_intervals_between_looks() {
  for (const Time poll : {150 * ms, 200 * ms, 100 * ms}) {
    Simulation simulation = storm({.queues = 1 << 3, .detect = 200 * ms, .restore = 200 * ms, .poll = poll});
    const Time counted = (poll == 200 * ms ? 1 : 2) * poll, calm = 460 * ms;
    simulation.advance(calm, never);
    CHECK(events_of(simulation).size() == 1);
    const Time detected = events_of(simulation)[0];
    CHECK(detected >= counted && detected < counted + poll + 1 * ms);
    simulation.set_storm(0, 0);
    simulation.advance(890 * ms, never);
    CHECK(events_of(simulation).size() == 2);
    const Time restored = events_of(simulation)[1];
    CHECK((restored - detected) % poll == 0);
    CHECK(restored >= calm + counted && restored < calm + counted + poll + 1 * ms);
  }
}

// One look more or less decides: a pause that is over before the last one is no storm.
void pause_that_ends_before_the_last_look_is_no_storm() {
  const WatchdogConfig watchdog{.queues = 1 << 3, .detect = 200 * ms, .restore = 200 * ms, .poll = 100 * ms};
  Simulation whole = storm(watchdog);
  whole.advance(310 * ms, never);
  const Time last = events_of(whole)[0];
  for (const bool is_too_short : {true, false}) {
    Simulation simulation = storm(watchdog);
    simulation.advance(last + (is_too_short ? -1 : 1) * ms, never);
    simulation.set_storm(0, 0);
    simulation.advance(last + 10 * ms, never);
    CHECK(events_of(simulation).size() == (is_too_short ? 0U : 1U));
  }
}

void switches_do_not_look_at_the_same_instants() {
  NetworkConfig network = fabric.network();
  network.nic.rate_control = LineRate::Parameters{};
  Workload work;
  add_flow(work, 2, 0, 64 << 20);
  add_flow(work, 1, 2, 64 << 20);
  Simulation simulation(network, work);
  const WatchdogConfig watchdog{.queues = 1 << 3, .detect = 200 * ms, .restore = 200 * ms, .poll = 100 * ms};
  for (NodeId i = 0; i < 3; ++i) {
    SwitchConfig state = fabric.switch_state(i, true, 1'000'000);
    for (SwitchPortConfig& port : state.ports) port.watchdog = watchdog;
    simulation.set_switch(i, state);
  }
  simulation.set_storm(0, 1 << 3);
  simulation.set_storm(2, 1 << 3);
  simulation.advance(350 * ms, never);
  const std::vector<Time> here = events_of(simulation), there = events_of(simulation, fabric.leaf_port(1, 0));
  CHECK(here.size() == 1 && there.size() == 1 && here != there);
}

// SONiC's script lets an alert go at the first look that finds the pause broken, whatever the restoration time.
void alert_ends_at_the_first_look_after_a_break() {
  const Time poll = 100 * ms;
  Simulation simulation = storm(
      {.queues = 1 << 3, .detect = 200 * ms, .restore = 500 * ms, .poll = poll, .action = WatchdogAction::alert});
  simulation.advance(350 * ms, never);
  CHECK(events_of(simulation).size() == 1);
  const Time detected = events_of(simulation)[0];
  simulation.set_storm(0, 0);
  simulation.advance(351 * ms, never);
  simulation.set_storm(0, 1 << 3);
  simulation.advance(350 * ms + poll, never);
  CHECK(events_of(simulation).size() == 2);
  const Time restored = events_of(simulation)[1];
  CHECK(!queue_of(simulation).is_storm && (restored - detected) % poll == 0);
  simulation.advance(350 * ms + 4 * poll, never);
  CHECK(events_of(simulation).size() == 3 && events_of(simulation)[2] == restored + 2 * poll);
}

void drop_frees_the_victims_and_loses_only_what_is_for_the_storm() {
  Simulation simulation = storm({.queues = 1 << 3, .detect = 200 * ms, .restore = 200 * ms});
  simulation.advance(400 * ms, never);
  CHECK(simulation.flows().status[1] == static_cast<std::uint8_t>(FlowStatus::done));
  CHECK(simulation.flows().status[0] != static_cast<std::uint8_t>(FlowStatus::done));
  CHECK(counts_of(simulation).tx_dropped > 0);
  CHECK(testing::drops_for(simulation, DropReason::watchdog) == testing::total_drops(simulation));
  CHECK(simulation.drops()[stormed * drop_reasons + static_cast<unsigned>(DropReason::watchdog)] ==
        counts_of(simulation).tx_dropped);
  testing::conserves_packets(simulation);
}

void drop_also_drops_what_the_storming_port_sends() {
  NetworkConfig network = fabric.network();
  network.nic.rate_control = LineRate::Parameters{};
  Workload work;
  add_flow(work, 2, 0, 1 << 20);
  add_flow(work, 0, 2, 1 << 20);
  work.flow_start[1] = 250 * ms;
  Simulation simulation(network, work);
  for (NodeId i = 0; i < 3; ++i) {
    SwitchConfig state = fabric.switch_state(i, true);
    for (SwitchPortConfig& port : state.ports) {
      port.watchdog = {.queues = 1 << 3, .detect = 200 * ms, .restore = 200 * ms};
    }
    simulation.set_switch(i, state);
  }
  simulation.set_storm(0, 1 << 3);
  simulation.advance(260 * ms, never);
  CHECK(counts_of(simulation).rx_dropped == 256);
}

void forward_delivers_in_spite_of_the_pause() {
  Simulation simulation =
      storm({.queues = 1 << 3, .detect = 200 * ms, .restore = 200 * ms, .action = WatchdogAction::forward});
  testing::run(simulation);
  CHECK(simulation.flows_done() == 3);
  CHECK(testing::total_drops(simulation) == 0);
}

// Host 0 gets 256 packets, which the storm held back, acknowledges each and sends as many.
void counts_what_passes_in_a_storm_both_ways() {
  NetworkConfig network = fabric.network();
  network.nic.rate_control = LineRate::Parameters{};
  network.nic.retransmit_timeout = 900 * ms;
  Workload work;
  add_flow(work, 2, 0, 1 << 20);
  add_flow(work, 0, 2, 1 << 20);
  add_flow(work, 3, 1, 4096);
  work.flow_start[1] = 250 * ms;
  work.flow_start[2] = 900 * ms;
  Simulation simulation(network, work);
  for (NodeId i = 0; i < 3; ++i) {
    SwitchConfig state = fabric.switch_state(i, true);
    for (SwitchPortConfig& port : state.ports) {
      port.watchdog = {.queues = 1 << 3, .detect = 200 * ms, .restore = 200 * ms, .action = WatchdogAction::forward};
    }
    simulation.set_switch(i, state);
  }
  simulation.set_storm(0, 1 << 3);
  simulation.advance(300 * ms, never);
  for (const bool is_latest : {false, true}) {
    const StormCounts counts = counts_of(simulation, is_latest);
    CHECK(counts.tx == 512 && counts.rx == 512);  // data and acknowledgements share the queue
    CHECK(counts.tx_dropped == 0 && counts.rx_dropped == 0);
  }
  simulation.set_storm(0, 0);
  simulation.advance(600 * ms, never);
  CHECK(queue_of(simulation).restored == 1 && counts_of(simulation).tx == 512);
}

void latest_counts_are_of_the_latest_storm_alone() {
  Simulation simulation = storm({.queues = 1 << 3, .detect = 200 * ms, .restore = 200 * ms});
  simulation.advance(300 * ms, never);
  const StormCounts first = counts_of(simulation, true);
  CHECK(first.tx_dropped > 0 && first.tx == 0 && counts_of(simulation).tx_dropped == first.tx_dropped);
  simulation.set_storm(0, 0);
  simulation.advance(510 * ms, never);
  simulation.set_storm(0, 1 << 3);
  simulation.advance(800 * ms, never);
  CHECK(queue_of(simulation).detected == 2 && queue_of(simulation).restored == 1);
  const StormCounts total = counts_of(simulation), latest = counts_of(simulation, true);
  CHECK(latest.tx_dropped > 0 && latest.tx_dropped < total.tx_dropped);
  CHECK(total.tx_dropped == testing::drops_for(simulation, DropReason::watchdog));
}

void alert_only_tells() {
  Simulation simulation =
      storm({.queues = 1 << 3, .detect = 200 * ms, .restore = 200 * ms, .action = WatchdogAction::alert});
  simulation.advance(400 * ms, never);
  CHECK(queue_of(simulation).is_storm);
  CHECK(simulation.flows_done() == 0);
  simulation.set_storm(0, 0);
  simulation.advance(700 * ms, never);
  CHECK(!queue_of(simulation).is_storm && queue_of(simulation).restored == 1);
  CHECK(simulation.flows_done() == 2);
}

// Calm at 400 ms, a second storm at 500 ms, calm for good at 600 ms: over at 800 ms.
void queue_is_restored_after_the_restoration_time_without_pause() {
  NetworkConfig network = fabric.network();
  network.nic.retransmit_timeout = 300 * ms;
  Simulation simulation = storm({.queues = 1 << 3, .detect = 200 * ms, .restore = 200 * ms}, network);
  for (const Time at : {400, 500, 600}) {
    simulation.advance(at * ms, never);
    simulation.set_storm(0, at == 500 ? 1 << 3 : 0);
  }
  simulation.advance(799 * ms, never);
  CHECK(queue_of(simulation).is_storm);
  testing::run(simulation);
  CHECK(!queue_of(simulation).is_storm && queue_of(simulation).restored == 1);
  CHECK(simulation.watchdog_events()[1].time == 600 * ms + 84 * 20 + fabric.propagation + 200 * ms);
  CHECK(simulation.flows_done() == 3);
  CHECK(simulation.ports()[stormed].pfc_enable == 1 << 3);
  testing::conserves_packets(simulation);
}

void storm_outlives_new_switch_state_and_ends_when_no_longer_watched() {
  Simulation simulation = storm({.queues = 1 << 3, .detect = 200 * ms, .restore = 200 * ms});
  simulation.advance(300 * ms, never);
  SwitchConfig state = fabric.switch_state(0, true, 1'000'000);
  for (SwitchPortConfig& port : state.ports) port.watchdog = {.queues = 1 << 3, .detect = 200 * ms, .restore = 200 * ms};
  simulation.set_switch(0, state);
  CHECK(queue_of(simulation).is_storm && (simulation.ports()[stormed].pfc_enable >> 3 & 1) == 0);
  simulation.set_switch(0, fabric.switch_state(0, true, 1'000'000));
  CHECK(!queue_of(simulation).is_storm && (simulation.ports()[stormed].pfc_enable >> 3 & 1) == 1);
}

}  // namespace

int main() {
  without_a_watchdog_a_storm_stops_its_victims();
  profiles_of_storms_end_with_them();
  storm_is_detected_after_the_detection_time();
  polling_counts_whole_intervals_between_looks();
  pause_that_ends_before_the_last_look_is_no_storm();
  switches_do_not_look_at_the_same_instants();
  alert_ends_at_the_first_look_after_a_break();
  drop_frees_the_victims_and_loses_only_what_is_for_the_storm();
  drop_also_drops_what_the_storming_port_sends();
  forward_delivers_in_spite_of_the_pause();
  counts_what_passes_in_a_storm_both_ways();
  latest_counts_are_of_the_latest_storm_alone();
  alert_only_tells();
  queue_is_restored_after_the_restoration_time_without_pause();
  storm_outlives_new_switch_state_and_ends_when_no_longer_watched();
  return testing::verdict();
}
