// The engine's own tests, without Python. Each test is a claim; a failed CHECK prints where.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include "checks.hpp"
#include "leaf_spine.hpp"

namespace {

using namespace raddle;
using testing::add_flow;
using testing::conserves_packets;
using testing::drops_for;
using testing::incast;
using testing::LeafSpine;
using testing::run;
using testing::total_drops;
using testing::total_pauses;

// The parameters of the paper, section 5; initial rate and alpha as there.
const DcqcnParameters paper{.g = 1.0 / 256, .alpha_timer = 55'000'000, .rate_timer = 55'000'000,
                            .byte_counter = 10'000'000, .fast_recovery_steps = 5, .rate_ai = 40e6,
                            .rate_hai = 400e6, .min_rate = 1e6, .clamps_target = true, .decrease_timer = 0};

void wire_time_is_exact() {
  CHECK(wire_time(4096, 800'000'000'000) == 40'960);
  CHECK(wire_time(4178, 400'000'000'000) == 83'560);
  CHECK(wire_time(1, 3) == 2'666'666'666'667);            // rounded up
  CHECK(wire_time(100'000'000'000'000, 1'600'000'000'000) == 500'000'000'000'000);  // 100 TB: no overflow
}

void event_queue_pops_in_order() {
  constexpr PortId ports = 40;
  std::vector<Lane> lanes(2 * ports);
  EventQueue queue(lanes.data(), lanes.size() / 2, 1'000'000);
  std::vector<Event> expected;
  Time now = 0;
  for (std::uint64_t round = 0; round < 20'000; ++round) {
    const std::uint64_t bits = random_bits(3, 0, round);
    // Delays from nothing over one bucket to far beyond the wheel's horizon.
    const Time time = now + static_cast<Time>((bits >> 8) % (Time{1} << (bits >> 3) % 32));
    const auto port = static_cast<PortId>(random_bits(3, 1, round) % ports);
    const auto same = [&](EventKind kind) {
      return std::find_if(expected.begin(), expected.end(), [&](const Event& event) {
        return event.port() == port && event.kind() == kind;
      });
    };
    if (bits % 4 == 0) {
      const Event event{time, event_order(port, EventKind::pause, static_cast<std::uint32_t>(round)), 0};
      queue.push(event);
      expected.push_back(event);
    } else if (bits % 4 == 1 && same(EventKind::arrive) == expected.end()) {
      queue.set_arrival(port, time);
      expected.push_back({time, event_order(port, EventKind::arrive, port), 0});
    } else if (bits % 4 == 2) {
      queue.set_wake(port, time);  // the earlier one of two counts
      const auto old = same(EventKind::wake);
      if (old == expected.end()) {
        expected.push_back({time, event_order(port, EventKind::wake, port), 0});
      } else {
        old->time = std::min(old->time, time);
      }
    } else if (!expected.empty()) {
      const auto first = std::min_element(expected.begin(), expected.end(),
                                          [](const Event& a, const Event& b) { return a.before(b); });
      Event event{};
      const bool found = queue.pop(never, event);
      CHECK(found && event.order == first->order && event.time == first->time);
      now = event.time;
      expected.erase(first);
    }
  }
}

void event_queue_stops_at_until() {
  std::vector<Lane> lanes(6);
  EventQueue queue(lanes.data(), lanes.size() / 2, 1'000'000);
  Event event;
  queue.set_wake(1, 5'000'000);
  CHECK(!queue.pop(4'999'999, event));
  queue.set_wake(2, 4'999'999);  // before what was seen, not before until
  CHECK(queue.pop(5'000'000, event) && event.id() == 2);
  CHECK(queue.pop(5'000'000, event) && event.id() == 1);
  CHECK(!queue.pop(never, event) && queue.size() == 0);
}

// N packets over h links, store and forward: (N - 1) packets on the first wire, then one over all links.
void lone_flow_takes_the_closed_form() {
  const LeafSpine fabric{.leaves = 2, .spines = 1, .hosts_per_leaf = 1};
  Workload work;
  add_flow(work, 0, 1, 100 * 4096);
  Simulation simulation = testing::simulate(fabric, fabric.network(), work);
  run(simulation);
  const Time packet = 83'560;
  const Time links = 4 * fabric.propagation + 3 * fabric.pipeline;
  CHECK(simulation.flows().finish[0] == 99 * packet + 4 * packet + links);
  const Time ack = 86 * 20;
  CHECK(simulation.flows().acked[0] == simulation.flows().finish[0] + 4 * ack + links);
  CHECK(total_drops(simulation) == 0 && total_pauses(simulation) == 0);
}

void flow_of_no_bytes_is_one_packet() {
  const LeafSpine fabric{.leaves = 2, .spines = 1, .hosts_per_leaf = 1};
  Workload work;
  add_flow(work, 0, 1, 0);
  Simulation simulation = testing::simulate(fabric, fabric.network(), work);
  run(simulation);
  CHECK(simulation.is_done() && simulation.injected() == 2);
  CHECK(simulation.flows().finish[0] == 4 * 82 * 20 + 4 * fabric.propagation + 3 * fabric.pipeline);
}

void incast_is_lossless_with_pfc_and_drops_without() {
  const LeafSpine fabric{.leaves = 2, .spines = 2, .hosts_per_leaf = 8};
  NetworkConfig network = fabric.network();
  network.nic.rate_control = LineRate::Parameters{};
  for (const bool has_pfc : {true, false}) {
    Simulation simulation = testing::simulate(fabric, network, incast(15, 2 << 20), has_pfc, 1'000'000);
    run(simulation);
    CHECK(simulation.flows_done() == 15);
    CHECK((total_drops(simulation) == 0) == has_pfc);
    CHECK((total_pauses(simulation) > 0) == has_pfc);
    conserves_packets(simulation);
  }
}

void dcqcn_lets_an_incast_pause_less() {
  const LeafSpine fabric{.leaves = 2, .spines = 2, .hosts_per_leaf = 8};
  std::uint64_t pauses[2];
  for (const bool is_dcqcn : {false, true}) {
    NetworkConfig network = fabric.network();
    network.nic.rate_control = paper;
    if (!is_dcqcn) network.nic.rate_control = LineRate::Parameters{};
    network.nic.cnp_interval = 50'000'000;
    Simulation simulation = testing::simulate(fabric, network, incast(15, 16 << 20), true, 20'000'000);
    run(simulation);
    pauses[is_dcqcn] = total_pauses(simulation);
    CHECK((simulation.qps().cnps[0] > 0) == is_dcqcn);
  }
  CHECK(pauses[1] < pauses[0]);
}

void slices_give_the_same_result() {
  const LeafSpine fabric{.leaves = 4, .spines = 2, .hosts_per_leaf = 4};
  Workload work;
  for (NodeId h = 0; h < 16; ++h) add_flow(work, h, (h * 5 + 3) % 16 == h ? (h + 1) % 16 : (h * 5 + 3) % 16, 3 << 20);
  Simulation whole = testing::simulate(fabric, fabric.network(), work);
  run(whole);
  Simulation sliced = testing::simulate(fabric, fabric.network(), work);
  for (Time until = 0; !sliced.is_done(); until += 777'777) sliced.advance(until, never);
  CHECK(whole.flows().finish == sliced.flows().finish);
  CHECK(whole.flows().acked == sliced.flows().acked);
}

// Congestion with pauses, marks and CNPs; without PFC with drops and go-back-N.
void result_does_not_depend_on_threads_or_partitions() {
  const LeafSpine fabric{.leaves = 4, .spines = 2, .hosts_per_leaf = 4};
  Workload work = incast(12, 1 << 20);
  for (NodeId h = 0; h < 16; ++h) add_flow(work, h, (h + 5) % 16, (1 << 20) + h);
  for (const bool has_pfc : {true, false}) {
    NetworkConfig network = fabric.network();
    network.nic.retransmit_timeout = 100'000'000;
    const auto outcome = [&](unsigned threads, bool is_cut) {
      Simulation simulation = testing::simulate(fabric, network, work, has_pfc, 500'000, false, threads, is_cut);
      simulation.advance(40'000'000, never);
      for (const bool is_up : {false, true}) simulation.set_link(fabric.leaf_port(1, 4), is_up);
      run(simulation);
      CHECK(simulation.flows_done() == 28);
      CHECK(simulation.partitions() == (is_cut ? 6 : 1));
      conserves_packets(simulation);
      return simulation;
    };
    const Simulation whole = outcome(1, false);
    CHECK((total_pauses(whole) > 0) == has_pfc && total_drops(whole) > 0);
    for (const unsigned threads : {1U, 2U, 3U}) CHECK(testing::are_equal(whole, outcome(threads, true)));
  }
}

void cut_cable_loses_frames_and_go_back_n_sends_them_again() {
  const LeafSpine fabric{.leaves = 2, .spines = 1, .hosts_per_leaf = 1};
  NetworkConfig network = fabric.network();
  network.nic.retransmit_timeout = 100'000'000;
  Workload work;
  add_flow(work, 0, 1, 1000 * 4096);
  Simulation simulation = testing::simulate(fabric, network, work);
  const PortId uplink = fabric.leaf_port(0, 1);
  simulation.advance(20'000'000, never);
  simulation.set_link(uplink, false);
  simulation.advance(60'000'000, never);
  simulation.set_link(uplink, true);
  run(simulation);
  CHECK(simulation.flows_done() == 1);
  CHECK(total_drops(simulation) > 0 && simulation.qps().retransmitted[0] > 0);
  conserves_packets(simulation);
}

void port_shut_at_one_end_takes_its_link_down_in_any_order() {
  const LeafSpine fabric{.leaves = 2, .spines = 1, .hosts_per_leaf = 1};
  for (const NodeId first : {0U, 2U}) {  // the leaf before the spine, and after it
    Workload work;
    add_flow(work, 0, 1, 1 << 20);
    add_flow(work, 1, 0, 1 << 20);
    Simulation simulation = testing::simulate(fabric, fabric.network(), work);
    SwitchConfig shut = fabric.switch_state(0, true);
    shut.ports[1].is_up = false;
    const SwitchConfig spine = fabric.switch_state(2, true);
    simulation.set_switch(first, first == 0 ? shut : spine);
    simulation.set_switch(2 - first, first == 0 ? spine : shut);
    run(simulation);
    CHECK(simulation.flows_done() == 0);
    CHECK(simulation.queues()[fabric.spine_port(0, 0) * priorities + 3].tx_bytes == 0);
    CHECK(drops_for(simulation, DropReason::link_down) == total_drops(simulation));
  }
}

void link_flap_under_pause_loses_nothing_that_was_not_on_it() {
  const LeafSpine fabric{.leaves = 2, .spines = 2, .hosts_per_leaf = 8};
  NetworkConfig network = fabric.network();
  network.nic.rate_control = LineRate::Parameters{};
  for (Time at = 20'000'000; at <= 60'000'000; at += 4'000'000) {
    Simulation simulation = testing::simulate(fabric, network, incast(15, 2 << 20), true, 1'000'000);
    simulation.advance(at, never);
    for (const bool is_up : {false, true}) simulation.set_link(fabric.leaf_port(0, 8), is_up);
    run(simulation);
    CHECK(simulation.flows_done() == 15);
    CHECK(drops_for(simulation, DropReason::ingress_buffer) == 0);
    conserves_packets(simulation);
  }
}

void pfc_turned_off_lets_paused_ports_go_on() {
  const LeafSpine fabric{.leaves = 2, .spines = 2, .hosts_per_leaf = 8};
  NetworkConfig network = fabric.network();
  network.nic.rate_control = LineRate::Parameters{};
  Simulation simulation = testing::simulate(fabric, network, incast(15, 2 << 20), true, 1'000'000);
  simulation.advance(60'000'000, never);
  CHECK(total_pauses(simulation) > 0);
  for (NodeId i = 0; i < 4; ++i) simulation.set_switch(i, fabric.switch_state(i, false, 1'000'000));
  run(simulation);
  CHECK(simulation.is_done());
  for (PortId port = fabric.hosts(); port < simulation.ports().size(); ++port) {
    CHECK(simulation.ports()[port].paused == 0);
  }
}

void queue_pair_fails_when_its_retries_are_used_up() {
  const LeafSpine fabric{.leaves = 2, .spines = 1, .hosts_per_leaf = 1};
  Workload work;
  add_flow(work, 0, 1, 4096);
  Simulation simulation = testing::simulate(fabric, fabric.network(), work);
  SwitchConfig empty = fabric.switch_state(0, true);
  empty.fib.assign(fabric.hosts(), none);
  simulation.set_switch(0, empty);
  run(simulation);
  CHECK(simulation.flows().status[0] == static_cast<std::uint8_t>(FlowStatus::failed));
  CHECK(simulation.qps().timeouts[0] == 8);  // 7 retries, and the last wait
  CHECK(simulation.drops()[fabric.leaf_port(0, 0) * drop_reasons] == 8);
  CHECK(simulation.trace(0, false).size() == 1);
}

void dependent_flow_starts_when_its_chunk_has_arrived() {
  const LeafSpine fabric{.leaves = 1, .spines = 1, .hosts_per_leaf = 3};
  Workload work;
  add_flow(work, 0, 1, 8192);
  add_flow(work, 1, 2, 8192);
  work.dep_offsets = {0, 0, 1};
  work.dep_ids = {0};
  Simulation simulation = testing::simulate(fabric, fabric.network(), work);
  run(simulation);
  CHECK(simulation.flows().start[1] == simulation.flows().finish[0]);
  CHECK(simulation.flows_done() == 2);
}

// When the first CNP reaches a sender of an incast of 15 that builds a queue at once.
Time first_cnp(bool marks_at_dequeue) {
  const LeafSpine fabric{.leaves = 2, .spines = 2, .hosts_per_leaf = 8};
  Simulation simulation = testing::simulate(fabric, fabric.network(), incast(15, 4 << 20));
  for (NodeId i = 0; i < fabric.leaves + fabric.spines; ++i) {
    SwitchConfig state = fabric.switch_state(i, true);
    state.marks_at_dequeue = marks_at_dequeue;
    simulation.set_switch(i, state);
  }
  const auto has_cnp = [&] {
    const auto& cnps = simulation.qps().cnps;
    return std::any_of(cnps.begin(), cnps.end(), [](std::uint64_t count) { return count > 0; });
  };
  for (Time until = 0; !simulation.is_done(); until += 10'000) {
    simulation.advance(until, never);
    if (has_cnp()) return until;
  }
  return never;
}

// A packet marked when it leaves tells of the queue behind it, one marked when it joins waits in it first.
void marking_at_dequeue_tells_sooner() {
  const Time at_enqueue = first_cnp(false);
  const Time at_dequeue = first_cnp(true);
  CHECK(at_enqueue < never);
  CHECK(at_dequeue + 1'000'000 < at_enqueue);
}

void wire_times_are_whole_ticks_of_the_clock() {
  const LeafSpine fabric{.leaves = 2, .spines = 1, .hosts_per_leaf = 1};
  NetworkConfig network = fabric.network();
  network.nic.clock = 1000;
  Workload work;
  add_flow(work, 0, 1, 100 * 4096);
  Simulation simulation = testing::simulate(fabric, network, work);
  run(simulation);
  const Time links = 4 * fabric.propagation + 3 * fabric.pipeline;
  CHECK(simulation.flows().finish[0] == 103 * 83'000 + links);  // 83,560 ps, cut off
  CHECK(simulation.flows().acked[0] == simulation.flows().finish[0] + 4 * 1'000 + links);  // 1,720 ps
}

// At 1.6T acknowledgements take 0.43 ns and PFC frames 0.42 ns: both end at the tick that they began at.
void frames_shorter_than_a_tick_block_nothing() {
  const LeafSpine fabric{.leaves = 2, .spines = 2, .hosts_per_leaf = 4, .speed = 1'600'000'000'000};
  NetworkConfig network = fabric.network();
  network.nic.clock = 1000;
  network.nic.rate_control = LineRate::Parameters{};
  Workload work = incast(7, 2 << 20);
  for (NodeId host = 0; host < 8; ++host) add_flow(work, host, (host + 5) % 8, 2 << 20);
  Simulation simulation = testing::simulate(fabric, network, work, true, 400'000);
  simulation.advance(1'000'000'000, never);
  CHECK(simulation.is_done() && total_pauses(simulation) > 0 && total_drops(simulation) == 0);
}

void equal_events_keep_the_order_of_their_pushes() {
  std::vector<Lane> lanes(4);
  EventQueue queue(lanes.data(), lanes.size() / 2, 1'000'000);
  for (std::uint32_t i = 0; i < 20; ++i) queue.push({5'000'000, event_order(1, EventKind::pause, 0), i});
  for (std::uint32_t i = 0; i < 20; ++i) {
    Event event{};
    CHECK(queue.pop(never, event) && event.data == i);
  }
}

void dependent_flow_can_wait_for_the_acknowledgement() {
  const LeafSpine fabric{.leaves = 1, .spines = 1, .hosts_per_leaf = 3};
  NetworkConfig network = fabric.network();
  network.nic.completes_on_ack = true;
  Workload work;
  add_flow(work, 0, 1, 8192);
  add_flow(work, 1, 2, 8192);
  work.dep_offsets = {0, 0, 1};
  work.dep_ids = {0};
  Simulation simulation = testing::simulate(fabric, network, work);
  run(simulation);
  CHECK(simulation.flows().start[1] == simulation.flows().acked[0]);
}

void dcqcn_follows_the_paper() {
  const double line = 40e9;
  DcqcnRate rate{.rate = line, .target = line};
  rate.on_cnp(paper, 0);  // equation (1): Rt = Rc, Rc = Rc (1 - alpha / 2), alpha = (1 - g) alpha + g
  CHECK(rate.rate == 20e9 && rate.target == 40e9 && rate.alpha == 1.0);
  rate.advance(paper, line, 55'000'000);  // one timer: alpha decays (2), fast recovery halves the gap (3)
  CHECK(rate.alpha == 255.0 / 256 && rate.rate == 30e9);
  rate.on_sent(paper, line, 10'000'000);  // the byte counter does the same
  CHECK(rate.rate == 35e9);
  rate.advance(paper, line, 5 * 55'000'000);  // five timer steps: additive increase begins (4)
  CHECK(rate.timer_steps == 5 && rate.target == line && rate.rate > 39e9);
}

// From the first CNP on, timers ask whether another came: alpha every microsecond, the rate every 4.
void dcqcn_with_a_decrease_timer_waits_for_it() {
  const double line = 400e9, g = 1.0 / 256;
  const DcqcnParameters p{.g = g, .byte_counter = 0, .rate_ai = 80e6, .rate_hai = 800e6, .min_rate = 1e9, .decrease_timer = 4'000'000};
  DcqcnRate rate{.rate = line, .target = line};
  rate.on_cnp(p, 0);
  CHECK(rate.is_active() && rate.rate == line);
  rate.advance(p, line, 4'000'000);  // four alpha ticks without a CNP, then the decrease
  const double alpha = (1 - g) * (1 - g) * (1 - g) * (1 - g);
  CHECK(std::abs(rate.alpha - alpha) < 1e-12 && std::abs(rate.rate - line * (1 - rate.alpha / 2)) < 1);
  const double lowered = rate.rate;
  rate.on_cnp(p, 4'500'000);
  rate.advance(p, line, 8'000'000);  // one tick with a CNP, three without; the target stays where it was
  const double raised = ((1 - g) * alpha + g) * (1 - g) * (1 - g) * (1 - g);
  CHECK(std::abs(rate.alpha - raised) < 1e-12 && rate.target == line);
  CHECK(std::abs(rate.rate - lowered * (1 - raised / 2)) < 1);
  const double low = rate.rate;
  rate.advance(p, line, 8'000'000 + 300'000'000);  // fast recovery
  CHECK(std::abs(rate.rate - (low + line) / 2) < 1);
  rate.target = line / 2;
  rate.advance(p, line, 8'000'000 + 900'000'000);  // additive, then hyper increase
  CHECK(rate.target == line / 2 + 80e6 + 800e6);
}

void acknowledgements_can_carry_the_cnp() {
  const LeafSpine fabric{.leaves = 2, .spines = 2, .hosts_per_leaf = 8};
  NetworkConfig network = fabric.network();
  network.nic.acks_carry_cnp = true;
  Simulation simulation = testing::simulate(fabric, network, incast(15, 1 << 20));
  run(simulation);
  CHECK(testing::total(simulation.qps().cnps) > 0);
  for (PortId port = 0; port < network.ports.size(); ++port) {
    CHECK(simulation.queues()[port * priorities + network.nic.cnp_priority].tx_frames == 0);
  }
}

void frame_can_hold_its_buffer_until_its_last_bit_has_left() {
  const LeafSpine fabric{.leaves = 1, .spines = 1, .hosts_per_leaf = 2};
  Workload work;
  add_flow(work, 0, 1, 4096);
  const Time wire = 83'560, sent = 2 * wire + fabric.propagation + fabric.pipeline;  // by the leaf, last bit
  for (const bool releases_at_end : {false, true}) {
    Simulation simulation = testing::simulate(fabric, fabric.network(), work);
    SwitchConfig state = fabric.switch_state(0, true);
    state.releases_at_end = releases_at_end;
    simulation.set_switch(0, state);
    const PriorityGroup& pg = simulation.pgs()[fabric.leaf_port(0, 0) * priorities + 3];
    simulation.advance(sent - 1, never);
    CHECK(pg.used == (releases_at_end ? 4158 : 0));
    simulation.advance(sent, never);
    CHECK(pg.used == 0 && pg.max_used == 4158);
  }
}

void pause_beside_the_wire_stops_the_sender_sooner() {
  const LeafSpine fabric{.leaves = 1, .spines = 1, .hosts_per_leaf = 4};
  std::int64_t most[2];
  for (const bool is_beside : {false, true}) {
    NetworkConfig network = fabric.network();
    network.nic.rate_control = LineRate::Parameters{};
    if (is_beside) network.nic.pause_delay = 0;
    Simulation simulation = testing::simulate(fabric, network, incast(3, 1 << 20), true, 100'000);
    run(simulation);
    most[is_beside] = 0;
    for (const std::int64_t bytes : simulation.pg_max_bytes()) most[is_beside] = std::max(most[is_beside], bytes);
    CHECK(simulation.dropped() == 0 && total_pauses(simulation) > 0);
  }
  CHECK(most[1] < most[0]);
}

}  // namespace

int main() {
  wire_time_is_exact();
  event_queue_pops_in_order();
  event_queue_stops_at_until();
  lone_flow_takes_the_closed_form();
  flow_of_no_bytes_is_one_packet();
  incast_is_lossless_with_pfc_and_drops_without();
  dcqcn_lets_an_incast_pause_less();
  slices_give_the_same_result();
  result_does_not_depend_on_threads_or_partitions();
  cut_cable_loses_frames_and_go_back_n_sends_them_again();
  port_shut_at_one_end_takes_its_link_down_in_any_order();
  link_flap_under_pause_loses_nothing_that_was_not_on_it();
  pfc_turned_off_lets_paused_ports_go_on();
  queue_pair_fails_when_its_retries_are_used_up();
  dependent_flow_starts_when_its_chunk_has_arrived();
  marking_at_dequeue_tells_sooner();
  wire_times_are_whole_ticks_of_the_clock();
  frames_shorter_than_a_tick_block_nothing();
  equal_events_keep_the_order_of_their_pushes();
  dependent_flow_can_wait_for_the_acknowledgement();
  dcqcn_follows_the_paper();
  dcqcn_with_a_decrease_timer_waits_for_it();
  acknowledgements_can_carry_the_cnp();
  frame_can_hold_its_buffer_until_its_last_bit_has_left();
  pause_beside_the_wire_stops_the_sender_sooner();
  return testing::verdict();
}
