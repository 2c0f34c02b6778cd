// Scale-up domains: closed forms, contention, hand-overs to and from the network. Each test is a claim.

#include <algorithm>
#include <cmath>
#include <map>
#include <stdexcept>

#include "checks.hpp"
#include "leaf_spine.hpp"

namespace {

using namespace raddle;
using testing::LeafSpine;
using testing::run;

constexpr std::int64_t rate = 2'966'400'000'000;  // 370.8 GB/s
constexpr Time latency = 1'000'000;
constexpr std::int64_t MiB = 1 << 20;
constexpr LeafSpine fabric{.leaves = 4, .spines = 2, .hosts_per_leaf = 4};

// Ranks in domains of `size`: egress and ingress of rank r are links 2r and 2r + 1. Rank r has endpoint r as well.
struct Domains {
  std::uint32_t size = 8, ranks = 8;
  Time delay = latency;
  Workload work = {};

  Domains(std::uint32_t members, std::uint32_t count, std::int64_t quantum = 512 * 1024, Time way = latency)
      : size(members), ranks(count), delay(way) {
    work.dep_offsets = {0};
    work.scale_up.path_offsets = {0};
    work.scale_up.quantum = quantum;
    for (std::uint32_t link = 0; link < 2 * ranks; ++link) {
      work.scale_up.link_speed.push_back(rate);
      work.scale_up.link_latency.push_back(link % 2 == 0 ? delay : 0);
    }
  }

  bool is_inside(std::uint32_t src, std::uint32_t dst) const { return src / size == dst / size; }

  QpId connect(std::uint32_t src, std::uint32_t dst, std::vector<std::uint32_t> path) {
    const auto qp = static_cast<QpId>(work.qp_src.size());
    work.qp_src.push_back(path.empty() ? src : none);
    work.qp_dst.push_back(path.empty() ? dst : none);
    work.qp_src_rank.push_back(src);
    work.qp_dst_rank.push_back(dst);
    work.qp_hash.push_back(static_cast<std::uint32_t>(random_bits(7, src, dst)));
    work.qp_ack_hash.push_back(static_cast<std::uint32_t>(random_bits(7, dst, src)));
    work.qp_dscp.push_back(26);
    work.qp_priority.push_back(3);
    auto& links = work.scale_up.path_links;
    links.insert(links.end(), path.begin(), path.end());
    work.scale_up.path_offsets.push_back(static_cast<std::uint32_t>(links.size()));
    return qp;
  }

  QpId connect(std::uint32_t src, std::uint32_t dst) {
    return connect(src, dst, is_inside(src, dst) ? std::vector{2 * src, 2 * dst + 1} : std::vector<std::uint32_t>{});
  }

  FlowId send(QpId qp, std::int64_t bytes, const std::vector<FlowId>& after = {}, Time start = 0) {
    work.flow_qp.push_back(qp);
    work.flow_bytes.push_back(bytes);
    work.flow_start.push_back(start);
    work.dep_ids.insert(work.dep_ids.end(), after.begin(), after.end());
    work.dep_offsets.push_back(static_cast<std::int64_t>(work.dep_ids.size()));
    return static_cast<FlowId>(work.flow_qp.size() - 1);
  }
};

Simulation finished(const Workload& work, unsigned threads = 1, bool is_cut = true) {
  Simulation simulation = testing::simulate(fabric, fabric.network(), work, true, 30'000'000, false, threads, is_cut);
  run(simulation);
  CHECK(simulation.scale_up_sent() == simulation.scale_up_delivered());
  return simulation;
}

bool is_within(Time time, double ps, double ratio) { return std::abs(static_cast<double>(time) / ps - 1) < ratio; }

double wire(double bytes) { return bytes * 8e12 / static_cast<double>(rate); }

void idle_path_takes_bytes_by_rate_and_the_latency_whatever_the_quantum() {
  for (const std::int64_t quantum : {MiB / 16, MiB / 2, 64 * MiB}) {
    Domains domain(8, 8, quantum);
    domain.send(domain.connect(0, 1), 16 * MiB + 1);
    const Simulation simulation = finished(domain.work);
    const Time exact = wire_time(16 * MiB + 1, rate) + latency;
    CHECK(simulation.flows().finish[0] >= exact && simulation.flows().finish[0] <= exact + 300);  // a ps per quantum
    CHECK(simulation.flows().acked[0] == simulation.flows().finish[0] + latency);
    CHECK(simulation.injected() == 0 && simulation.now() == simulation.flows().acked[0]);
  }
}

void message_of_no_bytes_takes_the_latency() {
  Domains domain(8, 8);
  domain.send(domain.connect(0, 1), 0);
  CHECK(finished(domain.work).flows().finish[0] == latency);
}

void senders_to_one_share_its_ingress() {
  Domains domain(8, 8);
  for (std::uint32_t src = 1; src < 8; ++src) domain.send(domain.connect(src, 0), 32 * MiB);
  const Simulation simulation = finished(domain.work);
  for (const Time finish : simulation.flows().finish) CHECK(is_within(finish, wire(7 * 32 * MiB), 0.02));
  CHECK(simulation.now() - latency <= static_cast<Time>(wire(7 * 32 * MiB)) + latency + 7 * 64);
  CHECK(simulation.scale_up_bytes()[1] == 7 * 32 * MiB && simulation.scale_up_bytes()[2] == 32 * MiB);
}

// Behind no more than what the seven have under way there: two quanta and the latency's bytes each.
void short_message_does_not_wait_behind_long_ones() {
  Domains domain(8, 8);
  for (std::uint32_t src = 1; src < 7; ++src) domain.send(domain.connect(src, 0), 256 * MiB);
  domain.send(domain.connect(7, 0), 4096, {}, 1'000'000'000);
  const Simulation simulation = finished(domain.work);
  const auto took = static_cast<double>(simulation.flows().finish[6] - simulation.flows().start[6]);
  CHECK(took < wire(7 * MiB / 2.0 + 4096) + 2 * latency);
}

void all_to_all_runs_at_the_ports_rate() {
  Domains domain(8, 8);
  for (std::uint32_t src = 0; src < 8; ++src) {
    for (std::uint32_t turn = 1; turn < 8; ++turn) domain.send(domain.connect(src, (src + turn) % 8), 16 * MiB);
  }
  CHECK(is_within(finished(domain.work).now(), wire(7 * 16 * MiB), 0.01));
}

void sender_of_two_is_not_held_by_the_slower_receiver() {
  Domains domain(8, 8);
  domain.send(domain.connect(0, 1), 64 * MiB);   // shares rank 1's ingress with rank 2
  domain.send(domain.connect(2, 1), 64 * MiB);
  domain.send(domain.connect(0, 3), 64 * MiB);   // has rank 0's egress for the rest
  const FlowResults flows = finished(domain.work).flows();
  for (const Time finish : flows.finish) CHECK(is_within(finish, wire(128 * MiB), 0.02));
}

// A multicast: the sender sends once, every receiver gets it; a sum is the same the other way.
void switch_copies_and_sums_at_the_cost_of_one() {
  for (const bool is_sum : {false, true}) {
    Domains domain(8, 8);
    for (std::uint32_t other = 1; other < 8; ++other) {
      domain.send(is_sum ? domain.connect(other, 0) : domain.connect(0, other), 7 * MiB);
      domain.work.scale_up.tx_bytes.push_back(is_sum ? 7 * MiB : MiB);
      domain.work.scale_up.rx_bytes.push_back(is_sum ? MiB : 7 * MiB);
    }
    const Simulation simulation = finished(domain.work);
    // The last quantum of the seven is through its own port a turn of one eighth of seven quanta later.
    CHECK(is_within(simulation.now() - 2 * latency, wire(7 * MiB), 7.0 / 8 * 0.5 / 7 + 0.01));
    CHECK(simulation.scale_up_bytes()[is_sum ? 1 : 0] == 7 * MiB);
    CHECK(simulation.scale_up_bytes()[is_sum ? 4 : 5] == 7 * MiB);
  }
}

// A ring of four: 0 to 2 goes over 1, whose own message to 2 shares the second link.
void forwarded_quanta_share_a_ring_link_with_its_own() {
  Domains domain(4, 4, MiB / 4);
  std::fill(domain.work.scale_up.link_latency.begin(), domain.work.scale_up.link_latency.end(), latency);
  domain.send(domain.connect(0, 2, {0, 2}), 32 * MiB);
  domain.send(domain.connect(1, 2, {2}), 32 * MiB);
  domain.send(domain.connect(3, 0, {6}), 32 * MiB);
  const FlowResults flows = finished(domain.work).flows();
  CHECK(is_within(flows.finish[0], wire(64 * MiB) + 2 * latency, 0.01));
  CHECK(is_within(flows.finish[1], wire(64 * MiB) + latency, 0.02));  // done before 0's last quanta
  CHECK(is_within(flows.finish[2], wire(32 * MiB) + latency, 0.0001));
}

void slower_link_behind_a_faster_one_sets_the_pace() {
  Domains domain(8, 8);
  domain.work.scale_up.link_speed[3] = rate / 3;
  domain.send(domain.connect(0, 1), 30 * MiB);
  domain.send(domain.connect(1, 0), 30 * MiB);
  domain.work.scale_up.link_speed[2] = rate / 3;
  const FlowResults flows = finished(domain.work).flows();
  for (const Time finish : flows.finish) CHECK(is_within(finish, wire(90 * MiB) + latency, 0.0001));
}

// Rank 0 hands on over the network what it gets from rank 1 of its domain, and rank 8 inside its own.
void what_waits_starts_when_its_rank_has_it_over_link_or_endpoint() {
  Domains domain(4, 16);
  const FlowId inside = domain.send(domain.connect(1, 0), MiB);
  const FlowId across = domain.send(domain.connect(0, 8), MiB, {inside});
  const FlowId handed = domain.send(domain.connect(8, 9), MiB, {across});
  const FlowId next = domain.send(domain.connect(1, 2), MiB, {inside});  // its sender knows when it is acknowledged
  const Simulation simulation = finished(domain.work);
  const FlowResults& flows = simulation.flows();
  CHECK(flows.start[across] == flows.finish[inside] && flows.start[handed] == flows.finish[across]);
  CHECK(flows.start[next] == flows.acked[inside]);
  CHECK(simulation.flows_done() == 4 && simulation.partitions() == 6);  // each domain goes with its hosts' leaf
}

void leaves_that_a_domain_spans_are_one_partition_and_others_are_not() {
  Domains domain(8, 16);  // of two leaves each
  for (std::uint32_t rank = 0; rank < 8; ++rank) {
    const FlowId near = domain.send(domain.connect((rank + 1) % 8, rank), MiB / 8);
    const FlowId far = domain.send(domain.connect((rank + 4) % 8, rank), MiB / 8);
    domain.send(domain.connect(rank, rank + 8), MiB / 8, {near, far});
  }
  domain.send(domain.connect(8, 9), MiB);  // hands nothing on: apart from all leaves
  const Simulation simulation = finished(domain.work);
  CHECK(simulation.flows_done() == 25 && simulation.partitions() == 3 + 2 + 1);
}

struct Draw {
  std::uint64_t seed, counter = 0;
  std::uint64_t operator()(std::uint64_t below) { return random_bits(seed, 77, counter++) % below; }
};

// Chains of messages between any ranks, of which each waits for one that its sender sent or got.
Workload random_mix(std::uint64_t seed) {
  Draw draw{seed};
  constexpr std::int64_t sizes[] = {0, 1, 4096, 100'000, 700'000, 2'000'000};
  constexpr std::int64_t quanta[] = {10'000, 65'536, 524'288};
  constexpr std::uint32_t members[] = {2, 4, 8, 16};
  Domains domain(members[draw(4)], 16, quanta[draw(3)], static_cast<Time>(draw(2) * latency));
  std::map<std::pair<std::uint32_t, std::uint32_t>, QpId> known;
  std::vector<std::vector<FlowId>> of_rank(16);
  std::uint32_t src = 0;
  for (std::uint64_t count = 10 + draw(60); count > 0; --count) {
    if (draw(3) == 0) src = static_cast<std::uint32_t>(draw(16));
    const auto dst = static_cast<std::uint32_t>((src + 1 + draw(15)) % 16);
    const auto [place, is_new] = known.try_emplace({src, dst}, 0);
    if (is_new) place->second = domain.connect(src, dst);
    std::vector<FlowId> after;
    if (!of_rank[src].empty() && draw(4) > 0) after.push_back(of_rank[src][draw(of_rank[src].size())]);
    const FlowId flow = domain.send(place->second, sizes[draw(6)], after, static_cast<Time>(draw(2) * draw(5'000'000)));
    of_rank[src].push_back(flow);
    of_rank[dst].push_back(flow);
    src = dst;
  }
  return domain.work;
}

void random_mixes_end_conserve_and_are_the_same_however_they_are_cut() {
  for (std::uint64_t seed = 0; seed < 60 && testing::failures == 0; ++seed) {
    const Workload work = random_mix(seed);
    const Simulation whole = finished(work, 1, false);
    const Simulation cut = finished(work), threaded = finished(work, 3);
    testing::conserves_packets(cut);
    const FlowResults& flows = cut.flows();
    CHECK(cut.flows_done() == work.flow_qp.size());
    std::int64_t inside = 0, egress = 0, ingress = 0;
    for (FlowId flow = 0; flow < work.flow_qp.size(); ++flow) {
      if (work.qp_src[work.flow_qp[flow]] == none) inside += work.flow_bytes[flow];
      CHECK(flows.start[flow] <= flows.finish[flow] && flows.finish[flow] <= flows.acked[flow]);
    }
    const std::vector<std::int64_t> bytes = cut.scale_up_bytes();
    for (std::size_t link = 0; link < bytes.size(); ++link) (link % 2 == 0 ? egress : ingress) += bytes[link];
    CHECK(inside == egress && inside == ingress && inside == cut.scale_up_delivered());
    for (const Simulation* other : {&whole, &threaded}) {
      CHECK(other->flows().finish == flows.finish && other->flows().acked == flows.acked && other->now() == cut.now());
      CHECK(other->scale_up_bytes() == bytes && other->queues().size() == cut.queues().size());
    }
    if (testing::failures > 0) std::printf("random mix %llu\n", static_cast<unsigned long long>(seed));
  }
}

void run_in_steps_gives_what_one_call_gives() {
  const Workload work = random_mix(7);
  const Simulation once = finished(work);
  Simulation steps = testing::simulate(fabric, fabric.network(), work);
  for (Time until = 0; !steps.is_done(); until += 777'777) {
    steps.advance(until, never);
    CHECK(steps.scale_up_sent() >= steps.scale_up_delivered());
  }
  CHECK(steps.flows().acked == once.flows().acked && steps.now() == once.now());
}

template <typename Change>
bool is_refused(Change change) {
  Domains domain(8, 8);
  domain.send(domain.connect(0, 1), MiB);
  change(domain.work);
  try {
    Simulation(fabric.network(), domain.work);
  } catch (const std::exception&) {
    return true;
  }
  return false;
}

void what_does_not_fit_is_refused() {
  CHECK(!is_refused([](Workload&) {}));
  CHECK(is_refused([](Workload& work) { work.qp_src[0] = 0; }));
  CHECK(is_refused([](Workload& work) { work.scale_up.path_links[0] = 99; }));
  CHECK(is_refused([](Workload& work) { work.scale_up.path_offsets.pop_back(); }));
  CHECK(is_refused([](Workload& work) { work.scale_up.link_speed[0] = 0; }));
  CHECK(is_refused([](Workload& work) { work.scale_up.link_latency.pop_back(); }));
  CHECK(is_refused([](Workload& work) { work.scale_up.quantum = 0; }));
  CHECK(is_refused([](Workload& work) { work.scale_up.tx_bytes = {1, 2}; }));
  CHECK(is_refused([](Workload& work) { work.qp_src_rank.clear(); }));
}

}  // namespace

int main() {
  idle_path_takes_bytes_by_rate_and_the_latency_whatever_the_quantum();
  message_of_no_bytes_takes_the_latency();
  senders_to_one_share_its_ingress();
  short_message_does_not_wait_behind_long_ones();
  all_to_all_runs_at_the_ports_rate();
  sender_of_two_is_not_held_by_the_slower_receiver();
  switch_copies_and_sums_at_the_cost_of_one();
  forwarded_quanta_share_a_ring_link_with_its_own();
  slower_link_behind_a_faster_one_sets_the_pace();
  what_waits_starts_when_its_rank_has_it_over_link_or_endpoint();
  leaves_that_a_domain_spans_are_one_partition_and_others_are_not();
  random_mixes_end_conserve_and_are_the_same_however_they_are_cut();
  run_in_steps_gives_what_one_call_gives();
  what_does_not_fit_is_refused();
  return testing::verdict();
}
