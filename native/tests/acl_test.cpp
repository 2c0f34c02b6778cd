// Access lists: what they drop, where, what they count, and that none of it depends on threads.

#include <tuple>
#include <utility>

#include "checks.hpp"
#include "leaf_spine.hpp"

namespace {

using namespace raddle;
using testing::add_flow;
using testing::drops_for;
using testing::LeafSpine;
using testing::run;
using testing::total_drops;

constexpr LeafSpine fabric{.leaves = 2, .spines = 1, .hosts_per_leaf = 2};  // switches: leaf 0, leaf 1, spine
constexpr NodeId leaf_ports = 3;
constexpr std::uint8_t any_place = 0xF;
constexpr std::int64_t data_bytes = 4096 + 62, ack_bytes = 66;

AclEntry entry(std::uint32_t rule, bool drops, bool ends_table = true) {
  return {.rule = rule, .ttl = 0, .ttl_mask = 0, .ecn = 0, .ecn_mask = 0, .places = any_place, .drops = drops,
          .ends_table = ends_table};
}

// Packets of one queue pair and kind meet `entries` at the ports of class 1; all others meet nothing.
AclStage stage_for(const std::vector<std::uint32_t>& port_class, std::vector<AclEntry> entries) {
  const auto end = static_cast<std::uint32_t>(entries.size());
  return {.port_classes = 2, .port_class = port_class, .offsets = {0, 0, 0, 0, end}, .entries = std::move(entries)};
}

std::vector<std::uint32_t> only(std::size_t queue_pairs, QpId qp, PacketKind kind) {
  std::vector<std::uint32_t> classes(queue_pairs * acl_kinds, 0);
  classes[qp * acl_kinds + static_cast<std::uint32_t>(kind)] = 1;
  return classes;
}

NetworkConfig quick_network() {
  NetworkConfig network = fabric.network();
  network.nic.retransmit_timeout = 10'000'000;
  network.nic.retry_count = 1;
  return network;
}

// Hosts 0 and 1 of leaf 0 send 8 packets each to host 2 of leaf 1.
Workload two_flows() {
  Workload work;
  add_flow(work, 0, 2, 8 * 4096);
  add_flow(work, 1, 2, 8 * 4096);
  return work;
}

void ingress_list_stops_one_queue_pair_where_it_comes_in_and_no_other() {
  Simulation simulation = testing::simulate(fabric, quick_network(), two_flows());
  simulation.set_acl(0, {1, only(2, 0, PacketKind::data), stage_for({1, 1, 1}, {entry(0, true)}), {}});
  CHECK(simulation.trace(0, false).size() == 1 && simulation.trace(1, false).size() == 4);
  CHECK(simulation.trace(0, true).size() == 4);
  run(simulation);
  CHECK(simulation.flows().status[0] == static_cast<std::uint8_t>(FlowStatus::failed));
  CHECK(simulation.flows().status[1] == static_cast<std::uint8_t>(FlowStatus::done));
  // 8 packets, sent again from the first once, when the timeout has come.
  const std::uint64_t sent = 8 + simulation.qps().retransmitted[0];
  CHECK(simulation.qps().retransmitted[0] > 0);
  CHECK(total_drops(simulation) == sent && drops_for(simulation, DropReason::ingress_acl) == sent);
  CHECK(simulation.drops()[fabric.leaf_port(0, 0) * drop_reasons + static_cast<unsigned>(DropReason::ingress_acl)] ==
        sent);
  CHECK(simulation.qps().drop_rule[0] == 0 && simulation.qps().drop_port[0] == fabric.leaf_port(0, 0));
  CHECK(simulation.qps().drop_rule[1] == none);
  CHECK(simulation.acl_counts(0)[0].packets == sent);
  CHECK(simulation.acl_counts(0)[0].bytes == sent * data_bytes);
  testing::conserves_packets(simulation);
}

void list_of_another_port_sees_nothing() {
  Simulation simulation = testing::simulate(fabric, quick_network(), two_flows());
  simulation.set_acl(0, {1, only(2, 0, PacketKind::data), stage_for({0, 1, 1}, {entry(0, true)}), {}});
  run(simulation);
  CHECK(simulation.flows_done() == 2 && total_drops(simulation) == 0);
  CHECK(simulation.acl_counts(0)[0].packets == 0);
}

void egress_list_stops_acknowledgements_where_they_leave() {
  Simulation simulation = testing::simulate(fabric, quick_network(), two_flows());
  simulation.set_acl(1, {1, only(2, 1, PacketKind::ack), {}, stage_for({0, 0, 1}, {entry(0, true)})});
  CHECK(simulation.trace(1, true).size() == 1 && simulation.trace(1, false).size() == 4);
  run(simulation);
  CHECK(simulation.flows().status[0] == static_cast<std::uint8_t>(FlowStatus::done));
  CHECK(simulation.flows().status[1] == static_cast<std::uint8_t>(FlowStatus::failed));
  CHECK(simulation.flows().finish[1] != never);  // the data arrived
  const std::uint64_t dropped = drops_for(simulation, DropReason::egress_acl);
  CHECK(dropped > 0 && dropped == total_drops(simulation) && simulation.acl_counts(1)[0].packets == dropped);
  CHECK(simulation.acl_counts(1)[0].bytes == dropped * ack_bytes);
  CHECK(simulation.qps().drop_port[1] == fabric.leaf_port(1, 2));
}

// Of a table the first entry that fits is met; of two tables one each, and a drop of either drops.
void first_entry_of_each_table_is_met_and_one_drop_is_enough() {
  Simulation permitted = testing::simulate(fabric, quick_network(), two_flows());
  permitted.set_acl(0, {2, only(2, 0, PacketKind::data),
                        stage_for({1, 1, 1}, {entry(0, false, false), entry(1, true)}), {}});
  run(permitted);
  CHECK(permitted.flows_done() == 2);
  CHECK(permitted.acl_counts(0)[0].packets == 8 && permitted.acl_counts(0)[1].packets == 0);

  Simulation denied = testing::simulate(fabric, quick_network(), two_flows());
  denied.set_acl(0, {2, only(2, 0, PacketKind::data), stage_for({1, 1, 1}, {entry(0, false), entry(1, true)}), {}});
  run(denied);
  CHECK(denied.flows_done() == 1 && denied.qps().drop_rule[0] == 1);
  CHECK(denied.acl_counts(0)[0].packets == denied.acl_counts(0)[1].packets && denied.acl_counts(0)[1].packets > 8);
}

// TTL is 64 at the first switch, 63 at the second; the ECN field is 2 while nothing is congested.
void ttl_and_ecn_are_those_of_the_packet_as_it_comes() {
  for (const std::uint8_t ttl : {std::uint8_t{64}, std::uint8_t{63}}) {
    Simulation simulation = testing::simulate(fabric, quick_network(), two_flows());
    AclEntry rule = entry(0, true);
    rule.ttl = ttl;
    rule.ttl_mask = 0xFF;
    rule.ecn = 2;
    rule.ecn_mask = 3;
    simulation.set_acl(2, {1, only(2, 0, PacketKind::data), stage_for({1, 1}, {rule}), {}});
    run(simulation);
    CHECK(simulation.flows_done() == (ttl == 63 ? 1 : 2));
  }
}

// Messages of 3, 1 and 2 packets on one queue pair.
void data_is_told_apart_by_its_place_in_the_message() {
  for (const auto& [place, packets] : {std::pair{MessagePlace::first, 2U}, {MessagePlace::middle, 1U},
                                       {MessagePlace::last, 2U}, {MessagePlace::only, 1U}}) {
    Workload work;
    add_flow(work, 0, 2, 3 * 4096);
    for (const std::int64_t bytes : {4096, 2 * 4096}) {
      work.flow_qp.push_back(0);
      work.flow_bytes.push_back(bytes);
      work.flow_start.push_back(0);
      work.dep_offsets.push_back(0);
    }
    Simulation simulation = testing::simulate(fabric, quick_network(), work);
    AclEntry rule = entry(0, false);
    rule.places = static_cast<std::uint8_t>(place);
    simulation.set_acl(0, {1, only(1, 0, PacketKind::data), stage_for({1, 1, 1}, {rule}), {}});
    run(simulation);
    CHECK(simulation.flows_done() == 3 && simulation.acl_counts(0)[0].packets == packets);
  }
}

void removed_list_lets_the_flow_go_on_and_its_count_stays() {
  NetworkConfig network = quick_network();
  network.nic.retry_count = 7;
  Simulation simulation = testing::simulate(fabric, network, two_flows());
  simulation.set_acl(0, {1, only(2, 0, PacketKind::data), stage_for({1, 1, 1}, {entry(0, true)}), {}});
  simulation.advance(15'000'000, never);
  CHECK(simulation.flows_done() == 1);
  const std::uint64_t dropped = simulation.acl_counts(0)[0].packets;
  CHECK(dropped >= 8);
  simulation.set_acl(0, {});
  run(simulation);
  CHECK(simulation.flows_done() == 2);
  CHECK(simulation.acl_counts(0)[0].packets == dropped && total_drops(simulation) == dropped);
}

void result_with_lists_does_not_depend_on_threads_or_partitions() {
  constexpr LeafSpine wide{.leaves = 4, .spines = 2, .hosts_per_leaf = 4};
  Workload work;
  for (NodeId host = 0; host < wide.hosts(); ++host) add_flow(work, host, (host + 5) % wide.hosts(), 100'000);
  const auto outcome = [&](unsigned threads, bool is_cut) {
    NetworkConfig network = wide.network();
    network.nic.retransmit_timeout = 50'000'000;
    network.nic.retry_count = 1;
    Simulation simulation = testing::simulate(wide, network, work, true, 200'000, false, threads, is_cut);
    for (NodeId leaf = 0; leaf < wide.leaves; ++leaf) {
      std::vector<std::uint32_t> classes(work.qp_src.size() * acl_kinds, 0);
      for (std::size_t row = 0; row < classes.size(); ++row) classes[row] = row % 7 == leaf;
      AclEntry marked = entry(0, false, false);
      marked.ecn = 3;
      marked.ecn_mask = 3;
      const std::vector<std::uint32_t> ports(wide.ports_per_leaf(), 1);
      simulation.set_acl(leaf, {2, classes, stage_for(ports, {marked, entry(1, leaf % 2 == 0)}), {}});
    }
    run(simulation);
    std::vector<std::uint64_t> counts;
    for (NodeId leaf = 0; leaf < wide.leaves; ++leaf) {
      for (const AclCount& count : simulation.acl_counts(leaf)) counts.insert(counts.end(), {count.packets, count.bytes});
    }
    return std::tuple(counts, simulation.drops(), simulation.flows().acked, simulation.qps().drop_rule);
  };
  const auto whole = outcome(1, false);
  CHECK(testing::total(std::get<0>(whole)) > 0 && testing::total(std::get<1>(whole)) > 0);
  CHECK(outcome(1, true) == whole);
  CHECK(outcome(3, true) == whole);
}

}  // namespace

int main() {
  ingress_list_stops_one_queue_pair_where_it_comes_in_and_no_other();
  list_of_another_port_sees_nothing();
  egress_list_stops_acknowledgements_where_they_leave();
  first_entry_of_each_table_is_met_and_one_drop_is_enough();
  ttl_and_ecn_are_those_of_the_packet_as_it_comes();
  data_is_told_apart_by_its_place_in_the_message();
  removed_list_lets_the_flow_go_on_and_its_count_stays();
  result_with_lists_does_not_depend_on_threads_or_partitions();
  return testing::verdict();
}
