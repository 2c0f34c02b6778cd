// Random small fabrics and workloads with invariants held at every step, and the tight bound of PFC headroom.
// Usage: random_test [fabrics [first seed]]   (default 150 from 0; 10000 for a long run)

#include <algorithm>
#include <cstdlib>

#include "checks.hpp"
#include "leaf_spine.hpp"

namespace {

using namespace raddle;
using testing::add_flow;
using testing::LeafSpine;
using testing::run;
using testing::total_drops;

struct Draw {
  std::uint64_t seed, counter = 0;
  std::uint64_t operator()(std::uint64_t below) { return random_bits(seed, 77, counter++) % below; }
  bool coin() { return (*this)(2) == 1; }
};

struct Case {
  LeafSpine fabric;
  NetworkConfig network;
  Workload work;
  bool has_pfc;
  std::int64_t pool;
  bool is_adaptive, is_per_packet;
};

Case draw_case(std::uint64_t seed) {
  Draw draw{seed};
  constexpr std::int64_t speeds[] = {25'000'000'000, 100'000'000'000, 400'000'000'000, 1'600'000'000'000};
  constexpr Time ways[] = {0, 15'000, 150'000, 10'000'000};  // 0 m, 3 m, 30 m, 2 km
  Case c;
  c.fabric = {.leaves = static_cast<NodeId>(1 + draw(4)), .spines = static_cast<NodeId>(1 + draw(3)),
              .hosts_per_leaf = static_cast<NodeId>(1 + draw(4)), .speed = speeds[draw(4)],
              .propagation = ways[draw(4)], .pipeline = static_cast<Time>(draw(1'000'000))};
  c.network = c.fabric.network();
  NicConfig& nic = c.network.nic;
  constexpr std::int64_t mtus[] = {256, 1024, 4096, 9000};
  nic.mtu = mtus[draw(4)];
  if (!draw.coin()) nic.rate_control = LineRate::Parameters{};
  if (draw.coin()) nic.loss_recovery = LossRecovery::selective_repeat;
  nic.ack_interval = static_cast<std::uint32_t>(1 + draw(8));
  nic.window = draw.coin() ? 0 : static_cast<std::int64_t>(draw(200'000));
  nic.messages = static_cast<std::uint32_t>(draw(3));
  nic.burst = static_cast<std::uint32_t>(1 + draw(4));
  nic.pause_quanta = draw.coin() ? 0 : 65535;
  nic.retransmit_timeout = 200'000'000;
  c.network.cuts_through.assign(c.network.switches, draw.coin());
  c.has_pfc = draw.coin();
  c.pool = static_cast<std::int64_t>(20'000 + draw(2'000'000));
  constexpr std::int64_t sizes[] = {0, 1, 4096, 4097, 100'000, 1'000'000};
  const NodeId hosts = c.fabric.hosts();
  for (std::uint64_t flows = hosts < 2 ? 0 : draw(24); flows > 0; --flows) {
    const auto src = static_cast<NodeId>(draw(hosts));
    const auto dst = static_cast<NodeId>((src + 1 + draw(hosts - 1)) % hosts);
    add_flow(c.work, src, dst, sizes[draw(6)]);
    c.work.flow_start.back() = static_cast<Time>(draw(20'000'000));
  }
  if (c.work.dep_offsets.empty()) c.work.dep_offsets.push_back(0);
  c.is_adaptive = draw.coin();
  c.is_per_packet = nic.loss_recovery == LossRecovery::selective_repeat && draw.coin();  // go-back-N may give up on packets out of order
  nic.reorder = static_cast<std::uint32_t>(draw(20));
  if (nic.loss_recovery == LossRecovery::go_back_n && !c.is_adaptive && draw.coin()) {
    nic.train = static_cast<std::uint32_t>(std::min<std::uint64_t>(2 + draw(31), 65'535 / (nic.mtu + nic.header_bytes)));
  }
  return c;
}

Simulation start(const Case& c, unsigned threads = 1, bool is_cut = true) {
  Simulation simulation(c.network, c.work, threads, is_cut);
  for (NodeId i = 0; i < c.network.switches; ++i) {
    SwitchConfig state = c.fabric.switch_state(i, c.has_pfc, c.pool);
    for (ProfileConfig& profile : state.profiles) profile.headroom = c.has_pfc ? 12'000'000 : 0;  // 2 km at 1.6T both ways
    if (c.is_adaptive) c.fabric.adapt(state, i, {.is_per_packet = c.is_per_packet, .idle = 2'000'000});
    simulation.set_switch(i, state);
  }
  return simulation;
}

// Packets: injected = delivered + dropped + in the network. Bytes of every switch: what its queues hold is what its
// priority groups have counted.
void holds_invariants(const Case& c, const Simulation& simulation) {
  testing::conserves_packets(simulation);
  std::vector<std::int64_t> queued(c.network.switches, 0), counted(c.network.switches, 0);
  for (PortId id = c.fabric.hosts(); id < simulation.ports().size(); ++id) {
    const NodeId at = simulation.ports()[id].node - c.network.endpoints;
    for (unsigned q = 0; q < priorities; ++q) {
      const Queue& queue = simulation.queues()[id * priorities + q];
      const PriorityGroup& pg = simulation.pgs()[id * priorities + q];
      CHECK(queue.bytes >= 0 && pg.used >= 0 && pg.headroom >= 0);
      CHECK((queue.bytes == 0) == (queue.head == none));
      queued[at] += queue.bytes;
      counted[at] += pg.used + pg.headroom;
    }
  }
  CHECK(queued == counted);
}

void random_fabrics_keep_what_they_are_given(std::uint64_t count, std::uint64_t first) {
  std::uint64_t paused = 0, dropped = 0;
  for (std::uint64_t seed = first; seed < first + count && testing::failures == 0; ++seed) {
    const Case c = draw_case(seed);
    Simulation whole = start(c);
    run(whole);
    holds_invariants(c, whole);
    Simulation sliced = start(c);
    for (Time until = 0; !sliced.is_done() && sliced.has_events() && until < 5'000'000'000; until += 1'234'567) {
      sliced.advance(until, never);
      holds_invariants(c, sliced);
    }
    run(sliced);
    CHECK(whole.is_done() && sliced.flows().acked == whole.flows().acked);
    Simulation uncut = start(c, 1, false), threaded = start(c, 2);
    run(uncut);
    while (!threaded.is_done() && threaded.has_events()) threaded.advance(never, 1'000);
    CHECK(testing::are_equal(whole, uncut) && testing::are_equal(whole, threaded));
    const bool is_lossless = c.has_pfc;
    CHECK(!is_lossless || total_drops(whole) == 0);
    CHECK(!is_lossless || whole.flows_done() == c.work.flow_qp.size());
    paused += testing::total_pauses(whole) > 0;
    dropped += total_drops(whole) > 0;
    if (testing::failures > 0) std::printf("random fabric %llu\n", static_cast<unsigned long long>(seed));
  }
  CHECK(count < 100 || (paused > 0 && dropped > 0));  // the cases are not all easy
}

// Random changes of profiles, PFC, maps, thresholds and pools under traffic, and then what was there first. Whatever the
// changes were, nothing stays paused and every flow ends.
void changes_of_state_under_traffic_leave_no_pause_behind(std::uint64_t count, std::uint64_t first) {
  std::uint64_t paused = 0;
  for (std::uint64_t seed = first; seed < first + count && testing::failures == 0; ++seed) {
    Draw draw{seed + 1'000'000};
    const LeafSpine fabric{.leaves = 2, .spines = static_cast<NodeId>(1 + draw(2)), .hosts_per_leaf = 4};
    NetworkConfig network = fabric.network();
    if (!draw.coin()) network.nic.rate_control = LineRate::Parameters{};
    network.nic.pause_quanta = draw.coin() ? 0 : 65535;
    network.nic.retransmit_timeout = 100'000'000;
    network.nic.retry_count = 1000;
    Simulation simulation = testing::simulate(fabric, network, testing::incast(7, 1 << 20), true, 400'000);
    for (Time until = 10'000'000; until <= 100'000'000; until += 10'000'000) {
      simulation.advance(until, never);
      const auto index = static_cast<NodeId>(draw(network.switches));
      SwitchConfig state = fabric.switch_state(index, true, static_cast<std::int64_t>(50'000 + draw(400'000)));
      state.profiles.push_back(state.profiles[0]);
      state.profiles[1].reserved = static_cast<std::int64_t>(draw(20'000));
      state.profiles[1].xon = static_cast<std::int64_t>(draw(20'000));
      if (draw.coin()) std::swap(state.qos[0].pfc_to_queue[3], state.qos[0].pfc_to_queue[4]);
      for (SwitchPortConfig& port : state.ports) {
        constexpr std::uint32_t profiles[] = {none, 0, 1, 1};
        port.pg_profile[3] = profiles[draw(4)];
        port.pfc_enable = draw(4) == 0 ? 0 : 8;
      }
      simulation.set_switch(index, state);
      paused += testing::total_pauses(simulation) > 0;
    }
    for (NodeId i = 0; i < network.switches; ++i) simulation.set_switch(i, fabric.switch_state(i, true, 400'000));
    run(simulation);
    CHECK(simulation.flows_done() == 7);
    for (const Port& port : simulation.ports()) CHECK(port.paused == 0 && port.pfc_xoff == 0);
    testing::conserves_packets(simulation);
    if (testing::failures > 0) std::printf("random changes %llu\n", static_cast<unsigned long long>(seed));
  }
  CHECK(paused > 0);
}

// A NIC in a storm, watchdogs that act on it, thresholds that change: pauses come at any time and for any reason, and
// none reaches a partition that has gone on without it.
void pauses_reach_a_partition_before_it_goes_on(std::uint64_t count, std::uint64_t first) {
  std::uint64_t paused = 0, storms = 0;
  for (std::uint64_t seed = first; seed < first + count && testing::failures == 0; ++seed) {
    const auto outcome = [&](unsigned threads, bool is_cut) {
      Draw draw{seed + 2'000'000};
      constexpr Time ways[] = {15'000, 150'000, 1'500'000};
      const LeafSpine fabric{.leaves = static_cast<NodeId>(2 + draw(3)), .spines = static_cast<NodeId>(1 + draw(3)),
                             .hosts_per_leaf = 4, .propagation = ways[draw(3)], .pipeline = static_cast<Time>(draw(900'000))};
      NetworkConfig network = fabric.network();
      if (!draw.coin()) network.nic.rate_control = LineRate::Parameters{};
      if (draw.coin()) network.nic.pause_delay = 200'000;
      network.nic.pause_quanta = draw.coin() ? 0 : static_cast<std::uint32_t>(100 + draw(60'000));
      network.nic.pfc_reaction = static_cast<Time>(draw(1'200'000));
      network.nic.clock = draw.coin() ? 1 : 1'000;
      network.nic.retransmit_timeout = 50'000'000;
      network.nic.retry_count = 2;
      network.nic.train = draw.coin() ? 1 : static_cast<std::uint32_t>(2 + draw(14));
      Workload work = testing::incast(3, 1 << 20);
      for (NodeId h = 0; h < fabric.hosts(); ++h) add_flow(work, h, (h + 5) % fabric.hosts(), 1 + draw(1 << 20));
      Simulation simulation(network, work, threads, is_cut);
      const WatchdogConfig watchdog{.queues = 8, .detect = static_cast<Time>(5'000'000 + draw(20'000'000)),
                                    .restore = static_cast<Time>(1 + draw(20'000'000)),
                                    .poll = static_cast<Time>(draw(2) * 3'000'000),
                                    .action = static_cast<WatchdogAction>(draw(3))};
      for (Time until = 0; until <= 120'000'000; until += 20'000'000) {
        for (NodeId i = 0; i < network.switches; ++i) {
          if (until > 0 && draw(4) > 0) continue;
          SwitchConfig state = fabric.switch_state(i, true, static_cast<std::int64_t>(100'000 + draw(12'000'000)));
          state.profiles[0].dynamic_th = 1 - static_cast<int>(draw(5));
          state.pauses_at_threshold = draw(4) == 0;
          for (SwitchPortConfig& port : state.ports) port.watchdog = watchdog;
          simulation.set_switch(i, state);
        }
        const auto stormer = static_cast<PortId>(draw(fabric.hosts()));
        const std::uint8_t halted = draw.coin() ? 8 : 0;
        const bool is_of_frames = network.nic.pause_quanta > 0 && draw.coin();
        const Time period = is_of_frames ? static_cast<Time>(500'000 + draw(20'000'000)) : 0;
        simulation.set_storm(stormer, halted, period, static_cast<std::uint32_t>(draw(30'000)));
        simulation.advance(until + 20'000'000, never);
      }
      return simulation;
    };
    const Simulation whole = outcome(1, false);
    CHECK(testing::are_equal(whole, outcome(1, true)) && testing::are_equal(whole, outcome(2, true)));
    paused += testing::total_pauses(whole) > 0;
    storms += !whole.watchdog_events().empty();
    if (testing::failures > 0) std::printf("random pauses %llu\n", static_cast<unsigned long long>(seed));
  }
  CHECK(paused > 0 && (count < 20 || storms > 0));
}

// Between the beginning of the frame that crosses the threshold and the pause's arrival at the peer, the peer begins
// frames: the crossing frame takes its time, the cable and the pipeline, the pause may wait for a frame that its own
// port has just begun, then it takes its time on the wire and the cable.
struct Headroom {
  LeafSpine fabric;
  static constexpr std::int64_t frame = 4158;
  static constexpr std::int64_t xoff = 24 * frame;  // so that the frame that crosses it is headroom as a whole
  static constexpr std::int64_t cell = 254;

  Time wire() const { return wire_time(frame + 20, fabric.speed); }

  std::int64_t bound() const {
    const Time until = wire() + 2 * fabric.propagation + fabric.pipeline + wire() + wire_time(84, fabric.speed);
    return (until + wire() - 1) / wire() * frame;
  }

  // Hosts 1 to 3 send to host 0, which takes nothing, so that no buffer is given back; hosts 4 to 6 send to each of
  // them from `offset` on, so that a pause meets a frame in its way, begun a moment or a whole frame's time before. What the fullest priority group needed above its threshold with this headroom; whether anything was lost.
  std::pair<std::int64_t, bool> need(Time offset, std::int64_t headroom) const {
    NetworkConfig network = fabric.network();
    network.nic.rate_control = LineRate::Parameters{};
    network.nic.ack_interval = 1000;  // frames of one size, back to back
    Workload work;
    for (NodeId sender = 1; sender < 4; ++sender) {
      add_flow(work, sender, 0, 2 << 20);
      add_flow(work, sender + 3, sender, 2 << 20);
      work.flow_start.back() = offset;
    }
    Simulation simulation(network, work);
    for (NodeId i = 0; i < 2; ++i) {
      SwitchConfig state = fabric.switch_state(i, true);
      state.profiles[0] = {0, 0, false, 0, xoff, xoff / 2, 0, headroom};
      simulation.set_switch(i, state);
    }
    simulation.set_storm(0, 8);
    simulation.advance(40'000'000, never);
    std::int64_t most = 0;
    for (const std::int64_t bytes : simulation.pg_max_bytes()) most = std::max(most, bytes);
    return {most - xoff, total_drops(simulation) > 0};
  }
};

void headroom_of_the_worst_case_loses_nothing_and_a_cell_less_loses() {
  for (const std::int64_t speed : {100'000'000'000, 400'000'000'000, 800'000'000'000}) {
    for (const Time propagation : {Time{0}, Time{150'000}, Time{1'500'000}}) {
      const Headroom model{.fabric = {.leaves = 1, .spines = 1, .hosts_per_leaf = 7, .speed = speed, .propagation = propagation}};
      std::int64_t most = 0;
      Time worst = 0;
      for (Time offset = 0; offset < model.wire(); offset += model.wire() / 16) {
        const auto [needed, has_lost] = model.need(offset, model.bound());
        CHECK(!has_lost);
        if (needed > most) {
          most = needed;
          worst = offset;
        }
      }
      CHECK(most == model.bound());
      CHECK(model.need(worst, model.bound() - Headroom::cell).second);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  headroom_of_the_worst_case_loses_nothing_and_a_cell_less_loses();
  const auto number = [&](int place, std::uint64_t usual) {
    return argc > place ? std::strtoull(argv[place], nullptr, 10) : usual;
  };
  random_fabrics_keep_what_they_are_given(number(1, 150), number(2, 0));
  changes_of_state_under_traffic_leave_no_pause_behind(std::min<std::uint64_t>(number(1, 40), 40), number(2, 0));
  pauses_reach_a_partition_before_it_goes_on(number(1, 20), number(2, 0));
  return testing::verdict();
}
