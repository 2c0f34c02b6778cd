// A run that is saved and gone on with in another simulation ends as one that was not, to the last counter: random
// fabrics with all that the engine has, at random instants.
// Usage: checkpoint_test [runs [first seed]]   (default 60 from 0)

#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <utility>

#include "checks.hpp"
#include "leaf_spine.hpp"

namespace {

using namespace raddle;
using testing::LeafSpine;

struct Draw {
  std::uint64_t seed, counter = 0;
  std::uint64_t operator()(std::uint64_t below) { return random_bits(seed, 78, counter++) % below; }
  bool coin() { return (*this)(2) == 1; }
};

// A fabric, work on it, and what is done to it between the slices of its run, all drawn from a seed.
struct Story {
  Draw draw;
  LeafSpine fabric;
  NetworkConfig network;
  Workload work = {};
  bool has_pfc, is_adaptive, has_acl, has_owners;
  WatchdogConfig watchdog;
  std::vector<Time> slices = {};

  explicit Story(std::uint64_t seed) : draw{seed} {
    constexpr Time ways[] = {0, 15'000, 150'000, 1'500'000};
    fabric = {.leaves = static_cast<NodeId>(2 + draw(2)), .spines = static_cast<NodeId>(1 + draw(3)),
              .hosts_per_leaf = 4, .propagation = ways[draw(4)], .pipeline = static_cast<Time>(draw(900'000))};
    draw_network();
    draw_work();
    has_pfc = draw(4) > 0;
    is_adaptive = draw.coin();
    if (!is_adaptive && network.nic.loss_recovery == LossRecovery::go_back_n && draw.coin()) {
      network.nic.train = static_cast<std::uint32_t>(2 + draw(14));
    }
    has_acl = draw(3) == 0;
    has_owners = draw.coin();
    watchdog = {.queues = static_cast<std::uint8_t>(draw.coin() ? 8 : 0), .detect = static_cast<Time>(5'000'000 + draw(20'000'000)),
                .restore = static_cast<Time>(1 + draw(20'000'000)), .poll = static_cast<Time>(draw(2) * 3'000'000),
                .action = static_cast<WatchdogAction>(draw(3))};
    for (Time at = 0; at < 100'000'000; slices.push_back(at)) at += 1 + static_cast<Time>(draw(20'000'000));
  }

  void draw_network() {
    network = fabric.network();
    NicConfig& nic = network.nic;
    if (draw.coin()) nic.rate_control = LineRate::Parameters{};
    if (draw.coin()) nic.loss_recovery = LossRecovery::selective_repeat;
    nic.reorder = static_cast<std::uint32_t>(draw(20));
    nic.ack_interval = static_cast<std::uint32_t>(1 + draw(4));
    nic.window = draw.coin() ? 0 : static_cast<std::int64_t>(draw(200'000));
    nic.messages = static_cast<std::uint32_t>(draw(3));
    nic.burst = static_cast<std::uint32_t>(1 + draw(4));
    nic.pause_quanta = draw.coin() ? 0 : static_cast<std::uint32_t>(100 + draw(60'000));
    nic.pfc_reaction = static_cast<Time>(draw(1'200'000));
    nic.retransmit_timeout = 30'000'000;
    nic.retry_count = 3;
    network.cuts_through.assign(network.switches, draw.coin());
    if (draw.coin()) network.endpoint_bus.assign(network.endpoints, 100'000'000'000 + static_cast<std::int64_t>(draw(400)) * 1'000'000'000);
    if (draw(3) == 0) {  // hosts 0 and 1 are the two ports of one bond
      network.endpoint_twin.assign(network.endpoints, none);
      network.endpoint_twin[0] = 1;
      network.endpoint_twin[1] = 0;
    }
  }

  // Flows from host to host, and some between the first hosts over links of a scale-up domain; a flow may wait for one
  // that its sender has received or sent.
  void draw_work() {
    constexpr std::int64_t sizes[] = {0, 1, 4097, 100'000, 1'000'000, 4'000'000};
    const NodeId hosts = fabric.hosts();
    work.dep_offsets = {0};
    work.scale_up.path_offsets = {0};
    work.scale_up.link_speed.assign(8, 2'000'000'000'000);
    work.scale_up.link_latency.assign(8, 500'000);
    work.scale_up.quantum = 65'536;
    const std::uint64_t flows = 8 + draw(24);
    for (std::uint64_t i = 0; i < flows; ++i) {
      const bool is_inside = draw(5) == 0;
      const auto src = static_cast<NodeId>(draw(is_inside ? 4 : hosts));
      const NodeId many = is_inside ? 4 : hosts;
      const NodeId dst = draw(3) == 0 && src != 0 ? 0 : static_cast<NodeId>((src + 1 + draw(many - 1)) % many);
      const std::int64_t bytes = sizes[draw(6)];
      const auto flow = static_cast<FlowId>(work.flow_qp.size());
      work.qp_src_rank.push_back(src);
      work.qp_dst_rank.push_back(dst);
      work.qp_src.push_back(is_inside ? none : src);
      work.qp_dst.push_back(is_inside ? none : dst);
      work.qp_hash.push_back(static_cast<std::uint32_t>(random_bits(7, src, dst)));
      work.qp_ack_hash.push_back(static_cast<std::uint32_t>(random_bits(7, dst, src)));
      work.qp_dscp.push_back(26);
      work.qp_priority.push_back(3);
      if (is_inside) {
        work.scale_up.path_links.push_back(2 * src);
        work.scale_up.path_links.push_back(2 * dst + 1);
      }
      work.scale_up.path_offsets.push_back(static_cast<std::uint32_t>(work.scale_up.path_links.size()));
      for (std::uint64_t message = 1 + draw(3); message > 0; --message) {
        work.flow_qp.push_back(flow_qp());
        work.flow_bytes.push_back(bytes);
        work.flow_start.push_back(static_cast<Time>(draw(30'000'000)));
        work.flow_delay.push_back(static_cast<Time>(draw(2) * draw(5'000'000)));
        if (flow > 0 && draw.coin()) depend(static_cast<FlowId>(draw(flow)), src);
        work.dep_offsets.push_back(static_cast<std::int64_t>(work.dep_ids.size()));
      }
    }
  }

  QpId flow_qp() const { return static_cast<QpId>(work.qp_src.size() - 1); }

  void depend(FlowId on, NodeId src) {
    const QpId qp = work.flow_qp[on];
    if (work.qp_src_rank[qp] == src || work.qp_dst_rank[qp] == src) work.dep_ids.push_back(on);
  }

  std::unique_ptr<Simulation> make(unsigned threads) const { return std::make_unique<Simulation>(network, work, threads); }

  void begin(Simulation& simulation) {
    if (has_owners) {
      std::vector<std::uint32_t> owners;
      for (QpId qp = 0; qp < work.qp_src.size(); ++qp) owners.push_back(qp % 3);
      simulation.set_owners(owners, 3);
    }
    const std::vector<std::uint32_t> others(work.qp_src.size(), 12345);
    const std::uint32_t hashes = draw.coin() ? simulation.add_hashes(others, others) : 0;
    for (NodeId i = 0; i < network.switches; ++i) set_switch(simulation, i, hashes);
    for (PortId host = 0; host < 2; ++host) simulation.set_traced(host, draw.coin() && network.nic.train == 1);
    for (PortId host = 0; host < network.endpoints && !network.endpoint_bus.empty(); ++host) {
      simulation.set_receiver(host, 0, 2 << 20, 1 << 20, 1 << 19);
    }
    if (draw.coin()) simulation.set_bit_errors(fabric.leaf_port(0, 4), 1e-7);
  }

  void set_switch(Simulation& simulation, NodeId index, std::uint32_t hashes) {
    SwitchConfig state = fabric.switch_state(index, has_pfc, static_cast<std::int64_t>(200'000 + draw(4'000'000)));
    state.wred[0] = {20'000, 400'000, 0.2, has_pfc, !has_pfc};
    state.hash_class = hashes;
    state.releases_at_end = draw(4) == 0;
    state.profiles[0].headroom = has_pfc ? 400'000 : 0;
    if (is_adaptive) fabric.adapt(state, index, {.is_per_packet = network.nic.loss_recovery == LossRecovery::selective_repeat, .idle = 2'000'000});
    for (SwitchPortConfig& port : state.ports) {
      port.watchdog = watchdog;
      port.mtu = draw(16) == 0 ? 1500 : 0;
    }
    simulation.set_switch(index, state);
    if (!has_acl) return;
    const AclEntry entry{.rule = 0, .ttl = 0, .ttl_mask = 0, .ecn = 0, .ecn_mask = 0, .places = 0xF, .drops = draw(4) == 0,
                         .ends_table = true};
    std::vector<std::uint32_t> classes(work.qp_src.size() * acl_kinds, 0);
    classes[draw(work.qp_src.size()) * acl_kinds] = 1;
    const std::vector<std::uint32_t> at(state.ports.size(), 1);
    simulation.set_acl(index, {1, classes, {2, at, {0, 0, 0, 0, 1}, {entry}}, {}});
  }

  // Something goes wrong, or is mended.
  void disturb(Simulation& simulation) {
    const auto host = static_cast<PortId>(draw(fabric.hosts()));
    const PortId up = fabric.leaf_port(static_cast<NodeId>(draw(fabric.leaves)), 4 + static_cast<NodeId>(draw(fabric.spines)));
    switch (draw(8)) {
      case 0: return simulation.set_link(up, draw.coin());
      case 1: return simulation.set_light(host, draw.coin());
      case 2: return simulation.set_speed(up, draw.coin() ? 100'000'000'000 : fabric.speed);
      case 3: return simulation.set_receiver(host, draw.coin() ? 50'000'000'000 : 0, 2 << 20, 1 << 20, 1 << 19);
      case 4: {
        const bool is_of_frames = network.nic.pause_quanta > 0 && draw.coin();
        return simulation.set_storm(host, draw.coin() ? 8 : 0, is_of_frames ? 2'000'000 : 0, 20'000);
      }
      case 5: return set_switch(simulation, static_cast<NodeId>(draw(network.switches)), 0);
      case 6: return simulation.set_delays(std::vector<Time>(work.flow_qp.size(), static_cast<Time>(draw(3'000'000))));
      default: return simulation.set_link(host, draw.coin());
    }
  }
};

// Runs a story; with `interrupts`, every slice is gone on with by another simulation, of another number of threads.
std::unique_ptr<Simulation> told(std::uint64_t seed, bool interrupts, std::vector<TraceRecord>& trace) {
  Story story(seed);
  std::unique_ptr<Simulation> simulation = story.make(1);
  story.begin(*simulation);
  unsigned threads = 1;
  const auto interrupt = [&] {
    if (!interrupts) return;
    threads = 3 - threads;
    std::unique_ptr<Simulation> other = story.make(threads);
    other->restore(simulation->save());
    CHECK(testing::are_equal(*simulation, *other) && other->save().size() == simulation->save().size());
    simulation = std::move(other);
  };
  for (const Time until : story.slices) {
    simulation->advance(until, 300);
    interrupt();
    while (simulation->advance(until, 2'000) >= 2'000) {}
    interrupt();
    story.disturb(*simulation);
    interrupt();
  }
  for (PortId up = 0; up < simulation->ports().size(); ++up) simulation->set_light(up, true);
  simulation->advance(400'000'000, never);
  interrupt();
  trace = simulation->take_trace();
  return simulation;
}

bool are_same(const TraceRecord& a, const TraceRecord& b) {
  return a.time == b.time && a.port == b.port && a.qp == b.qp && a.psn == b.psn && a.bytes == b.bytes &&
         a.dscp_ce == b.dscp_ce && a.ttl == b.ttl;
}

void interrupted_runs_end_as_others(std::uint64_t runs, std::uint64_t first) {
  std::uint64_t paused = 0, dropped = 0, marked = 0, storms = 0, inside = 0, denied = 0;
  for (std::uint64_t seed = first; seed < first + runs && testing::failures == 0; ++seed) {
    std::vector<TraceRecord> whole_trace, trace;
    const auto whole = told(seed, false, whole_trace), interrupted = told(seed, true, trace);
    CHECK(testing::are_equal(*whole, *interrupted));
    CHECK(std::equal(trace.begin(), trace.end(), whole_trace.begin(), whole_trace.end(), are_same));
    CHECK(whole->flows().status == interrupted->flows().status && whole->is_done() == interrupted->is_done());
    CHECK(whole->has_events() == interrupted->has_events() && whole->flows_done() == interrupted->flows_done());
    CHECK(whole->qps().timeouts == interrupted->qps().timeouts && whole->qps().drop_rule == interrupted->qps().drop_rule);
    CHECK(whole->arrivals().bytes == interrupted->arrivals().bytes && whole->delivered() == interrupted->delivered());
    CHECK(whole->lost_frames() == interrupted->lost_frames() && whole->marked_bytes() == interrupted->marked_bytes());
    CHECK(whole->watermarks().pool == interrupted->watermarks().pool);
    CHECK(whole->watermarks().pg_headroom == interrupted->watermarks().pg_headroom);
    CHECK(whole->scale_up_bytes() == interrupted->scale_up_bytes());
    CHECK(whole->scale_up_sent() == interrupted->scale_up_sent());
    CHECK(whole->owner_marks() == interrupted->owner_marks());
    CHECK(whole->owner_pause_time() == interrupted->owner_pause_time());
    CHECK(whole->watchdog_events().size() == interrupted->watchdog_events().size());
    const auto storm = whole->storm_counts(false), other = interrupted->storm_counts(false);
    CHECK(std::equal(storm.begin(), storm.end(), other.begin(), other.end(), [](const StormCounts& a, const StormCounts& b) {
      return a.tx == b.tx && a.rx == b.rx && a.tx_dropped == b.tx_dropped && a.rx_dropped == b.rx_dropped;
    }));
    for (NodeId i = 0; i < whole->switches().size(); ++i) {
      for (std::size_t rule = 0; rule < whole->acl_counts(i).size(); ++rule) {
        CHECK(whole->acl_counts(i)[rule].packets == interrupted->acl_counts(i)[rule].packets);
        denied += whole->acl_counts(i)[rule].packets;
      }
    }
    paused += testing::total_pauses(*whole);
    dropped += testing::total_drops(*whole);
    marked += testing::total(whole->marks());
    storms += whole->watchdog_events().size();
    inside += static_cast<std::uint64_t>(whole->scale_up_delivered());
    if (testing::failures > 0) std::printf("interrupted run %llu\n", static_cast<unsigned long long>(seed));
  }
  CHECK(runs < 20 || (paused > 0 && dropped > 0 && marked > 0 && storms > 0 && inside > 0 && denied > 0));
}

void state_that_does_not_fit_is_refused() {
  const LeafSpine fabric{.leaves = 2, .spines = 1, .hosts_per_leaf = 2};
  Simulation simulation = testing::simulate(fabric, fabric.network(), testing::incast(3, 100'000));
  simulation.advance(1'000'000, never);
  const std::vector<std::uint8_t> state = simulation.save();
  const auto refuses = [&](const LeafSpine& other, std::vector<std::uint8_t> bytes) {
    Simulation fresh = testing::simulate(other, other.network(), testing::incast(3, 100'000));
    try {
      fresh.restore(bytes);
    } catch (const std::invalid_argument&) {
      return true;
    }
    return false;
  };
  CHECK(refuses(fabric, {state.begin(), state.end() - 1}));
  CHECK(refuses(fabric, {state.begin(), state.begin() + 100}));
  CHECK(refuses({.leaves = 3, .spines = 1, .hosts_per_leaf = 2}, state));
  std::vector<std::uint8_t> longer = state;
  longer.push_back(0);
  CHECK(refuses(fabric, longer));
  CHECK(!refuses(fabric, state));
}

}  // namespace

int main(int argc, char** argv) {
  const auto number = [&](int place, std::uint64_t usual) {
    return argc > place ? std::strtoull(argv[place], nullptr, 10) : usual;
  };
  state_that_does_not_fit_is_refused();
  interrupted_runs_end_as_others(number(1, 60), number(2, 0));
  return testing::verdict();
}
