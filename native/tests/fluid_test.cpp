// Max-min fair rates and messages that flow. Each test is a claim.

#include <algorithm>
#include <cmath>
#include <random>

#include "checks.hpp"
#include "leaf_spine.hpp"
#include "raddle/fluid.hpp"

namespace {

using namespace raddle;
using testing::LeafSpine;

constexpr LeafSpine fabric{.leaves = 2, .spines = 2, .hosts_per_leaf = 4};

// No link carries more than it can, and each flow has a full link on which no other has more for its weight.
bool is_fair(const MaxMin& rates, const std::vector<std::vector<Taken>>& paths, const std::vector<double>& weights) {
  std::vector<double> load(rates.links(), 0), most(rates.links(), 0);
  for (std::uint32_t flow = 0; flow < paths.size(); ++flow) {
    for (const Taken& taken : paths[flow]) {
      load[taken.link] += taken.part * rates.rate(flow);
      most[taken.link] = std::max(most[taken.link], rates.rate(flow) / weights[flow]);
    }
  }
  for (std::uint32_t link = 0; link < load.size(); ++link) {
    if (load[link] > rates.capacity(link) * (1 + 1e-9)) return false;
  }
  for (std::uint32_t flow = 0; flow < paths.size(); ++flow) {
    if (!rates.is_started(flow)) continue;
    const bool has_limit = std::any_of(paths[flow].begin(), paths[flow].end(), [&](const Taken& taken) {
      return load[taken.link] > rates.capacity(taken.link) * (1 - 1e-9) &&
             rates.rate(flow) / weights[flow] > most[taken.link] * (1 - 1e-9);
    });
    if (!has_limit) return false;
  }
  return true;
}

void rates_stay_fair_while_flows_come_and_go() {
  std::mt19937 generator(7);
  const auto random = [&] { return static_cast<std::uint32_t>(generator()); };
  for (int round = 0; round < 40; ++round) {
    const std::uint32_t links = 1 + random() % 10, flows = 1 + random() % 30;
    std::vector<double> capacity;
    for (std::uint32_t link = 0; link < links; ++link) capacity.push_back(1e11 * (1 << random() % 3));
    MaxMin rates(capacity, flows);
    std::vector<std::vector<Taken>> paths(flows);
    std::vector<double> weights(flows, 1);
    for (int change = 0; change < 200; ++change) {
      const std::uint32_t flow = random() % flows;
      if (random() % 10 == 0) {
        rates.set_capacity(random() % links, 1e11 * (1.0 + random() % 4));
      } else if (rates.is_started(flow)) {
        rates.stop(flow);
        paths[flow].clear();
      } else {
        for (std::uint32_t link = 0; link < links; ++link) {
          if (random() % 3 == 0) paths[flow].push_back({.link = link, .part = 1.0 + random() % 2});
        }
        if (paths[flow].empty()) paths[flow].push_back({.link = 0});
        weights[flow] = 1.0 + random() % 3;
        rates.start(flow, paths[flow], weights[flow]);
      }
      if (random() % 3 == 0) continue;  // several changes at one instant
      rates.solve();
      CHECK(is_fair(rates, paths, weights));
    }
  }
}

// 400 hosts behind 8 switches; flows come and go one by one, which reach hundreds of others over full links.
struct Crowd {
  static constexpr std::uint32_t hosts = 400, uplinks = 64, flows = 900;
  std::mt19937 generator{11};
  std::vector<std::vector<Taken>> paths{flows};
  std::vector<double> weights = std::vector<double>(flows, 1);

  std::uint32_t random(std::uint32_t end) { return static_cast<std::uint32_t>(generator()) % end; }
  static std::vector<double> capacity() {
    std::vector<double> all(2 * hosts, 1e11);
    all.resize(2 * hosts + uplinks, 2e11);
    return all;
  }
  void choose(std::uint32_t flow, double acknowledgements) {
    const std::uint32_t src = random(hosts), dst = random(hosts), up = random(uplinks), back = random(uplinks);
    paths[flow] = {{.link = src}, {.link = 2 * hosts + up}, {.link = hosts + dst}};
    weights[flow] = 1.0 + random(3);
    if (acknowledgements == 0) return;
    for (const std::uint32_t link : {dst, 2 * hosts + back, hosts + src}) {
      paths[flow].push_back({.link = link, .part = acknowledgements, .is_load = true});
    }
  }
};

void rates_that_spread_from_one_change_stay_fair() {
  Crowd crowd;
  MaxMin rates(Crowd::capacity(), Crowd::flows);
  for (int change = 0; change < 4000; ++change) {
    const std::uint32_t flow = change < 700 ? static_cast<std::uint32_t>(change) : crowd.random(Crowd::flows);
    if (crowd.random(50) == 0) rates.set_capacity(crowd.random(Crowd::hosts), 1e11 * (1.0 + crowd.random(3)));
    if (rates.is_started(flow)) {
      rates.stop(flow);
      crowd.paths[flow].clear();
    } else {
      crowd.choose(flow, 0);
      rates.start(flow, crowd.paths[flow], crowd.weights[flow]);
    }
    rates.solve();
    CHECK(is_fair(rates, crowd.paths, crowd.weights));
  }
  CHECK(rates.spread() > 1000);
}

// Against rates that are computed for all at once.
void acknowledgements_move_rates_that_spread_to_within_their_bound() {
  Crowd crowd;
  MaxMin rates(Crowd::capacity(), Crowd::flows);
  double total = 0, apart = 0, most = 0;
  for (int change = 0; change < 2000; ++change) {
    const std::uint32_t flow = change < 700 ? static_cast<std::uint32_t>(change) : crowd.random(Crowd::flows);
    if (rates.is_started(flow)) {
      rates.stop(flow);
      crowd.paths[flow].clear();
    } else {
      crowd.choose(flow, 0.02);
      rates.start(flow, crowd.paths[flow], crowd.weights[flow]);
    }
    rates.solve();
    if (change % 50 != 49) continue;
    MaxMin anew(Crowd::capacity(), Crowd::flows);
    for (std::uint32_t id = 0; id < Crowd::flows; ++id) {
      if (rates.is_started(id)) anew.start(id, crowd.paths[id], crowd.weights[id]);
    }
    anew.solve();
    for (std::uint32_t id = 0; id < Crowd::flows; ++id) {
      if (!rates.is_started(id)) continue;
      total += anew.rate(id);
      apart += std::abs(rates.rate(id) - anew.rate(id));
      most = std::max(most, std::abs(rates.rate(id) - anew.rate(id)) / anew.rate(id));
    }
    CHECK(anew.spread() == 0);
  }
  CHECK(rates.spread() > 500);
  CHECK(apart < 1e-3 * total);
  CHECK(most < 1e-2);
}

Simulation prepared(const Workload& work) { return testing::simulate(fabric, fabric.network(), work); }

Workload one(NodeId src, NodeId dst, std::int64_t bytes) {
  Workload work;
  testing::add_flow(work, src, dst, bytes);
  return work;
}

void a_message_alone_takes_what_it_takes_in_packets() {
  for (const std::int64_t bytes : {std::int64_t{0}, std::int64_t{1}, std::int64_t{4097}, std::int64_t{1'000'000}}) {
    const Workload work = one(0, 5, bytes);
    Simulation packets = prepared(work), forwarding = prepared(work);
    testing::run(packets);
    Fluid fluid(forwarding);
    while (!fluid.is_done()) fluid.advance(never, 1000);
    CHECK(fluid.flows().finish == packets.flows().finish);
    // A last packet of few bytes is acknowledged right behind the one before: its answer waits for that one's, 1.72 ns.
    CHECK(std::abs(fluid.flows().acked[0] - packets.flows().acked[0]) <= 1720);
    CHECK(fluid.now() == fluid.flows().acked[0]);
  }
}

void a_dark_link_holds_a_message_up_for_as_long() {
  const Workload work = one(0, 1, 40'960'000);
  Simulation forwarding = prepared(work);
  Fluid whole(forwarding), cut(forwarding);
  while (!whole.is_done()) whole.advance(never, 1000);
  cut.advance(100'000'000, 1'000'000);
  cut.set_light(0, false);
  cut.advance(250'000'000, 1'000'000);
  CHECK(!cut.is_done());
  const std::uint64_t sent = cut.tx_frames()[3];
  CHECK(sent > 1000 && sent < 1300);  // 100 us of 83.56 ns each
  cut.set_light(0, true);
  while (!cut.is_done()) cut.advance(never, 1000);
  CHECK(std::abs(cut.flows().finish[0] - whole.flows().finish[0] - 150'000'000) <= 2);
  CHECK(cut.tx_frames()[3] == 10'000);
}

void a_kept_share_goes_by_logarithms_between_what_was_measured() {
  const KeptShare kept({2, 8}, {1e6, 4e6}, {0.5, 0.6, 0.7, 0.8});
  const auto is = [](double a, double b) { return std::abs(a - b) < 1e-12; };
  CHECK(is(kept.of(2, 1e6), 0.5) && is(kept.of(8, 4e6), 0.8));
  CHECK(is(kept.of(4, 1e6), 0.6) && is(kept.of(2, 2e6), 0.55) && is(kept.of(4, 2e6), 0.65));
  CHECK(is(kept.of(1.5, 1), 0.5) && is(kept.of(100, 4e6), 0.8));
  CHECK(is(kept.of(100, 1e9), 1 - 0.2 * 4e6 / 1e9) && is(kept.of(2, 4e7), 1 - 0.4 / 10));
  CHECK(kept.of(KeptShare::alone, 1e6) == 1 && KeptShare().of(4, 1e6) == 1);
  // What a queue pair sends in two messages takes as long as in one.
  CHECK(is(kept.of(2, 0, 1e6), kept.of(2, 1e6)) && kept.of(KeptShare::alone, 1e6, 1e6) == 1);
  for (const double before : {1e5, 1e6, 3e6}) {
    const double apart = before / kept.of(3, before) + 1e6 / kept.of(3, before, 1e6);
    CHECK(std::abs(apart / ((before + 1e6) / kept.of(3, before + 1e6)) - 1) < 1e-12);
  }
  CHECK(is(kept.of(2, 4e7, 1e6), 1));  // rates have settled
}

// Two messages of 1e6 bits over a link of 1e12 bit/s take 2 us at fair rates.
void held_messages_drain_at_the_share_that_is_asked_for_once() {
  int asked = 0;
  const auto last_end = [&](std::uint32_t flows, std::uint32_t held) {
    FluidFlows moving({1e12}, flows, 1e-6);
    moving.hold_back([&] { return ++asked, KeptShare({2}, {1e6}, {0.25}); });
    for (std::uint32_t flow = 0; flow < flows; ++flow) moving.start(flow, {{.link = 0}}, 1e6, 1, 0, flow < held);
    moving.solve();
    double last = 0;
    while (moving.next_end() != FluidFlows::forever) {
      moving.go_to(last = moving.next_end());
      moving.solve();
    }
    return last;
  };
  const auto is = [](double a, double b) { return std::abs(a - b) < 1e-3; };
  CHECK(is(last_end(1, 1), 1e6) && asked == 0);
  CHECK(is(last_end(2, 0), 2e6) && asked == 0);
  CHECK(is(last_end(2, 2), 8e6) && asked == 1);
  // The other one ends after 2 us; what the held one has left by then, it sends alone.
  CHECK(is(last_end(2, 1), 2.75e6) && asked == 2);
}

// Two queue pairs of a message of 2e6 bits, or of two of 1e6 behind each other, over a link of 1e12 bit/s.
void later_messages_of_a_queue_pair_are_held_as_one_long_one() {
  const auto last_end = [](std::uint32_t messages) {
    FluidFlows moving({1e12}, 2, 1e-6);
    moving.hold_back([] { return KeptShare({2}, {1e6, 2e6}, {0.25, 0.4}); });
    for (std::uint32_t flow = 0; flow < 2; ++flow) moving.start(flow, {{.link = 0}}, 2e6 / messages, 1, 0, true);
    moving.solve();
    double last = 0;
    for (std::uint32_t sent = 1; moving.next_end() != FluidFlows::forever; ++sent) {
      for (const std::uint32_t flow : std::vector(moving.go_to(last = moving.next_end()))) {
        if (sent < messages) moving.go_on(flow, 2e6 / messages);
      }
      moving.solve();
    }
    return last;
  };
  CHECK(std::abs(last_end(1) - 10e6) < 1);
  CHECK(std::abs(last_end(2) - 10e6) < 1);
}

void without_a_way_nothing_moves_and_nothing_is_done() {
  Workload work = one(0, 5, 4096);
  testing::add_flow(work, 1, 2, 4096);
  Simulation forwarding = prepared(work);
  forwarding.set_link(fabric.leaf_port(1, 1), false);  // of endpoint 5
  Fluid fluid(forwarding);
  while (fluid.has_events()) fluid.advance(never, 1000);
  CHECK(!fluid.is_done());
  CHECK(fluid.flows().finish[0] == never);
  CHECK(fluid.flows().finish[1] != never);
}

}  // namespace

int main() {
  rates_stay_fair_while_flows_come_and_go();
  rates_that_spread_from_one_change_stay_fair();
  acknowledgements_move_rates_that_spread_to_within_their_bound();
  a_message_alone_takes_what_it_takes_in_packets();
  a_dark_link_holds_a_message_up_for_as_long();
  a_kept_share_goes_by_logarithms_between_what_was_measured();
  held_messages_drain_at_the_share_that_is_asked_for_once();
  later_messages_of_a_queue_pair_are_held_as_one_long_one();
  without_a_way_nothing_moves_and_nothing_is_done();
  return testing::verdict();
}
