// Cuts the network into partitions: every switch with the endpoints at it is one.

#include "raddle/cut.hpp"

#include <algorithm>

namespace raddle {

namespace {

// Below this lookahead, windows hold too few events to be worth the change from one partition to the next.
constexpr Time least_lookahead = 50'000;

// Endpoints go with the switch that they are connected to; false where one has none.
bool number_nodes(const NetworkConfig& network, std::vector<std::uint32_t>& partition_of_node) {
  for (NodeId s = 0; s < network.switches; ++s) partition_of_node[network.endpoints + s] = s;
  for (NodeId e = 0; e < network.endpoints; ++e) {
    const PortId peer = network.ports[e].peer;
    if (peer == none) {
      partition_of_node[e] = 0;  // sends and receives nothing
    } else if (network.ports[peer].node < network.endpoints) {
      return false;
    } else {
      partition_of_node[e] = network.ports[peer].node - network.endpoints;
    }
  }
  return true;
}

// Whether a flow's end starts another one only where that end happens (see Partition::complete).
bool starts_stay_inside(const Tables& tables) {
  const Workload& work = tables.work;
  for (FlowId flow = 0; flow < work.flow_qp.size(); ++flow) {
    const QpId qp = work.flow_qp[flow];
    for (auto i = work.dep_offsets[flow]; i < work.dep_offsets[flow + 1]; ++i) {
      const QpId before = work.flow_qp[work.dep_ids[static_cast<std::size_t>(i)]];
      const bool at_receiver = !tables.network.nic.completes_on_ack && work.qp_src[qp] == work.qp_dst[before];
      if (at_receiver) continue;
      const auto partition = [&](NodeId node) { return tables.partition_of_node[node]; };
      if (partition(work.qp_src[qp]) != partition(work.qp_src[before])) return false;
    }
  }
  return true;
}

// The shortest time that a frame takes from one partition to another.
Time lookahead_of(const Tables& tables) {
  const NicConfig& nic = tables.network.nic;
  const std::int64_t shortest = std::min({nic.pause_bytes, nic.ack_bytes, nic.cnp_bytes, nic.header_bytes});
  Time least = never;
  for (PortId id = 0; id < tables.ports.size(); ++id) {
    const PortConfig& port = tables.network.ports[id];
    if (port.peer == none) continue;
    const NodeId far = tables.network.ports[port.peer].node;
    if (tables.partition_of_node[port.node] == tables.partition_of_node[far]) continue;
    const Time exact = wire_time(shortest + nic.gap_bytes, port.speed);
    Time on_wire = exact - exact % nic.clock;
    if (const std::uint32_t cut_ps = tables.ports[id].cut_ps; cut_ps != 0) on_wire = std::min<Time>(on_wire, cut_ps);
    least = std::min({least, port.propagation + on_wire, nic.pause_delay});
  }
  return least;
}

}  // namespace

Cut cut_network(Tables& tables) {
  std::vector<std::uint32_t>& partition_of_node = tables.partition_of_node;
  partition_of_node.assign(tables.network.endpoints + tables.network.switches, 0);
  if (tables.network.switches > 1 && number_nodes(tables.network, partition_of_node) && starts_stay_inside(tables)) {
    const Time lookahead = lookahead_of(tables);
    if (lookahead >= least_lookahead) {
      for (Port& port : tables.ports) {
        if (port.peer == none) continue;
        port.is_cut = partition_of_node[port.node] != partition_of_node[tables.ports[port.peer].node];
      }
      return {tables.network.switches, lookahead};
    }
  }
  return no_cut(tables);
}

Cut no_cut(Tables& tables) {
  tables.partition_of_node.assign(tables.network.endpoints + tables.network.switches, 0);
  return {1, never};
}

}  // namespace raddle
