// Trains: frames of a queue pair that move as one event. What does not depend on it is as in packets, to the picosecond.

#include <stdexcept>

#include "checks.hpp"
#include "leaf_spine.hpp"

namespace {

using namespace raddle;
using testing::add_flow;
using testing::LeafSpine;
using testing::run;

constexpr std::uint32_t lengths[] = {2, 5, 8, 15};

Simulation finished(const LeafSpine& fabric, NetworkConfig network, const Workload& work, std::uint32_t train,
                    unsigned threads = 1, bool is_cut = true, std::int64_t pool = 30'000'000) {
  network.nic.train = train;
  Simulation simulation = testing::simulate(fabric, network, work, true, pool, true, threads, is_cut);
  run(simulation);
  testing::conserves_packets(simulation);
  return simulation;
}

std::uint64_t sent_frames(const Simulation& simulation) {
  std::uint64_t frames = 0;
  for (const Queue& queue : simulation.queues()) frames += queue.tx_frames;
  return frames;
}

// Between leaves, with hosts as fast as, faster and slower than the links between switches, stored and cut through; the
// last frame of a message is short.
void a_message_alone_takes_what_it_takes_in_packets() {
  for (const std::int64_t host_speed : {100'000'000'000, 400'000'000'000, 800'000'000'000}) {
    for (const bool cuts : {false, true}) {
      const LeafSpine fabric{.leaves = 2, .spines = 2, .hosts_per_leaf = 2};
      NetworkConfig network = fabric.network();
      for (PortConfig& port : network.ports) {
        if (port.node < network.endpoints || network.ports[port.peer].node < network.endpoints) port.speed = host_speed;
      }
      network.cuts_through.assign(network.switches, cuts);
      for (const std::int64_t bytes : {1L, 4096L, 40'960L, 1'000'000L}) {
        Workload work;
        add_flow(work, 0, 2, bytes);
        const Simulation packets = finished(fabric, network, work, 1);
        for (const std::uint32_t train : lengths) {
          const Simulation trains = finished(fabric, network, work, train);
          CHECK(trains.flows().finish == packets.flows().finish);
          CHECK(sent_frames(trains) == sent_frames(packets));
          CHECK(trains.arrivals().frames == packets.arrivals().frames && trains.arrivals().bytes == packets.arrivals().bytes);
        }
      }
    }
  }
}

// With one frame under way no queue pair has two that could go together, whatever queues, marks and pauses there are.
void trains_of_one_frame_are_packets() {
  const LeafSpine fabric{.leaves = 3, .spines = 2, .hosts_per_leaf = 4};
  NetworkConfig network = fabric.network();
  network.nic.window = network.nic.mtu;
  for (const std::int64_t pool : {20'000, 30'000'000}) {
    const Workload work = testing::incast(11, 1 << 18);
    const Simulation packets = finished(fabric, network, work, 1, 1, true, pool);
    const Simulation trains = finished(fabric, network, work, 8, 1, true, pool);
    CHECK(testing::are_equal(packets, trains));
    CHECK((testing::total_pauses(packets) > 0) == (pool == 20'000));
  }
}

void trains_take_fewer_events_for_the_same_frames() {
  const LeafSpine fabric{.leaves = 4, .spines = 4, .hosts_per_leaf = 4};
  NetworkConfig network = fabric.network();
  network.nic.rate_control = LineRate::Parameters{};
  Workload work;
  for (NodeId h = 0; h < fabric.hosts(); ++h) add_flow(work, h, (h + 4) % fabric.hosts(), 4 << 20);
  std::uint64_t events[2];
  Time ends[2];
  std::uint64_t frames[2];
  for (const bool has_trains : {false, true}) {
    network.nic.train = has_trains ? 8 : 1;
    Simulation simulation = testing::simulate(fabric, network, work, true, 30'000'000, true);
    events[has_trains] = simulation.advance(never, never);
    frames[has_trains] = sent_frames(simulation);
    ends[has_trains] = simulation.now();
  }
  CHECK(frames[0] == frames[1]);
  CHECK(events[1] * 6 < events[0]);
  CHECK(std::abs(ends[1] - ends[0]) * 1000 < ends[0]);
}

void results_do_not_depend_on_threads_or_partitions() {
  const LeafSpine fabric{.leaves = 3, .spines = 2, .hosts_per_leaf = 4};
  const NetworkConfig network = fabric.network();
  Workload work = testing::incast(11, 1 << 20);
  for (NodeId h = 0; h < fabric.hosts(); ++h) add_flow(work, h, (h + 5) % fabric.hosts(), 700'000);
  for (const std::int64_t pool : {400'000, 30'000'000}) {
    const Simulation whole = finished(fabric, network, work, 8, 1, false, pool);
    CHECK(testing::are_equal(whole, finished(fabric, network, work, 8, 1, true, pool)));
    CHECK(testing::are_equal(whole, finished(fabric, network, work, 8, 2, true, pool)));
    CHECK(testing::total_drops(whole) == 0 && whole.flows_done() == work.flow_qp.size());
  }
}

// One frame in about 30 is lost; each is asked for by its number and sent again.
void bit_errors_take_frames_out_of_trains() {
  const LeafSpine fabric{.leaves = 2, .spines = 1, .hosts_per_leaf = 1};
  NetworkConfig network = fabric.network();
  network.nic.train = 8;
  network.nic.rate_control = LineRate::Parameters{};
  Workload work;
  add_flow(work, 0, 1, 4 << 20);
  Simulation simulation = testing::simulate(fabric, network, work);
  simulation.set_bit_errors(fabric.hosts() + 1, 1e-6);
  run(simulation);
  testing::conserves_packets(simulation);
  const std::uint64_t lost = testing::drops_for(simulation, DropReason::corrupt);
  CHECK(simulation.flows_done() == 1 && simulation.receivers()[0].expected_psn == 1024);
  CHECK(lost > 10 && lost < 300 && testing::total_drops(simulation) == lost);
  CHECK(simulation.qps().retransmitted[0] >= lost / 2);
}

// A cable is cut while trains are on it, and mended; go-back-N repeats what it takes.
void a_cut_in_the_middle_of_trains_loses_whole_frames_and_no_message() {
  const LeafSpine fabric{.leaves = 2, .spines = 1, .hosts_per_leaf = 2};
  NetworkConfig network = fabric.network();
  network.nic.retransmit_timeout = 100'000'000;
  network.nic.train = 8;
  Workload work;
  add_flow(work, 0, 2, 4 << 20);
  add_flow(work, 1, 3, 1 << 20);
  Simulation simulation = testing::simulate(fabric, network, work);
  simulation.advance(20'000'000, never);
  simulation.set_link(fabric.hosts() + 2, false);
  simulation.advance(40'000'000, never);
  testing::conserves_packets(simulation);
  simulation.set_link(fabric.hosts() + 2, true);
  run(simulation);
  testing::conserves_packets(simulation);
  CHECK(simulation.flows_done() == 2 && testing::drops_for(simulation, DropReason::link_down) > 0);
  CHECK(simulation.receivers()[0].expected_psn == 1024);
}

// What waits is marked frame by frame: as many, to some percent, as in packets.
void marks_are_of_frames() {
  const LeafSpine fabric{.leaves = 1, .spines = 1, .hosts_per_leaf = 9};
  NetworkConfig network = fabric.network();
  network.nic.rate_control = LineRate::Parameters{};
  std::uint64_t marks[2];
  for (const bool has_trains : {false, true}) {
    const Simulation simulation = finished(fabric, network, testing::incast(8, 4 << 20), has_trains ? 8 : 1);
    marks[has_trains] = testing::total(simulation.marks());
    CHECK(simulation.now() > 0 && testing::total_drops(simulation) == 0);
  }
  CHECK(marks[0] > 1000);
  CHECK(marks[1] * 100 > marks[0] * 95 && marks[1] * 100 < marks[0] * 105);
}

// Acknowledgements of a train count, and are sent as often as the NIC would for its frames.
void acknowledgements_are_as_many_as_in_packets() {
  const LeafSpine fabric{.leaves = 2, .spines = 1, .hosts_per_leaf = 1};
  NetworkConfig network = fabric.network();
  Workload work;
  add_flow(work, 0, 1, 1'000'000);
  for (const std::uint32_t interval : {1U, 3U, 4U, 16U}) {
    network.nic.ack_interval = interval;
    const Simulation packets = finished(fabric, network, work, 1);
    for (const std::uint32_t train : lengths) CHECK(finished(fabric, network, work, train).injected() == packets.injected());
  }
}

// A host sends one message after another to another one, each when the one before is acknowledged; the other sends trains
// the other way. An acknowledgement waits for a frame at each port, as in packets, and not for a train.
void acknowledgements_go_between_the_frames_of_trains() {
  constexpr std::int64_t messages = 64;
  const LeafSpine fabric{.leaves = 2, .spines = 1, .hosts_per_leaf = 2};
  for (const bool cuts : {false, true}) {
    NetworkConfig network = fabric.network();
    network.nic.messages = 1;
    network.nic.rate_control = LineRate::Parameters{};
    network.cuts_through.assign(network.switches, cuts);
    Workload work;
    add_flow(work, 2, 0, 16 << 20);
    add_flow(work, 0, 2, 4096);
    for (std::int64_t i = 1; i < messages; ++i) {
      work.flow_qp.push_back(1);
      work.flow_bytes.push_back(4096);
      work.flow_start.push_back(0);
      work.dep_offsets.push_back(0);
    }
    const Simulation packets = finished(fabric, network, work, 1);
    for (const std::uint32_t train : lengths) {
      const Simulation trains = finished(fabric, network, work, train);
      CHECK(trains.flows().finish == packets.flows().finish);
    }
  }
}

// A message that begins while another one to the same host ends neither waits for its trains nor puts its own before it.
void messages_that_meet_at_their_ends_end_as_in_packets() {
  const LeafSpine fabric{.leaves = 3, .spines = 2, .hosts_per_leaf = 1};
  NetworkConfig network = fabric.network();
  network.nic.rate_control = LineRate::Parameters{};
  const Time frame = wire_time(4158 + network.nic.gap_bytes, fabric.speed);
  for (const Time before : {2, 5, 9, 14}) {
    Workload work;
    add_flow(work, 1, 0, 128 * 4096);
    add_flow(work, 2, 0, 128 * 4096);
    work.flow_start[1] = (128 - before) * frame;
    const Simulation packets = finished(fabric, network, work, 1);
    for (const std::uint32_t train : lengths) {
      const Simulation trains = finished(fabric, network, work, train);
      for (const FlowId flow : {0U, 1U}) {
        CHECK(std::abs(trains.flows().finish[flow] - packets.flows().finish[flow]) <= frame);
      }
    }
  }
}

void what_trains_cannot_say_is_refused() {
  const LeafSpine fabric{.leaves = 2, .spines = 1, .hosts_per_leaf = 1};
  const auto is_refused = [&](auto act) {
    try {
      act();
    } catch (const std::invalid_argument&) {
      return true;
    }
    return false;
  };
  NetworkConfig network = fabric.network();
  Workload work;
  add_flow(work, 0, 1, 1);
  for (const std::uint32_t train : {0U, 16U, 33U}) {  // 16 frames of 4158 bytes are more than 65535
    network.nic.train = train;
    CHECK(is_refused([&] { Simulation(network, work); }));
  }
  network.nic.train = 8;
  Simulation simulation = testing::simulate(fabric, network, work);
  CHECK(is_refused([&] { simulation.set_traced(0, true); }));
  SwitchConfig state = fabric.switch_state(0, true);
  fabric.adapt(state, 0, {});
  CHECK(is_refused([&] { simulation.set_switch(0, state); }));
  network.nic.loss_recovery = LossRecovery::selective_repeat;
  CHECK(is_refused([&] { Simulation(network, work); }));
}

}  // namespace

int main() {
  a_message_alone_takes_what_it_takes_in_packets();
  trains_of_one_frame_are_packets();
  trains_take_fewer_events_for_the_same_frames();
  results_do_not_depend_on_threads_or_partitions();
  bit_errors_take_frames_out_of_trains();
  a_cut_in_the_middle_of_trains_loses_whole_frames_and_no_message();
  marks_are_of_frames();
  acknowledgements_are_as_many_as_in_packets();
  acknowledgements_go_between_the_frames_of_trains();
  messages_that_meet_at_their_ends_end_as_in_packets();
  what_trains_cannot_say_is_refused();
  return testing::verdict();
}
