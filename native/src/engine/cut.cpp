// Cuts the network into partitions: every switch with the endpoints at it is one, every scale-up domain another. Those
// between which a flow's end starts a flow without any time in between are one together.

#include "raddle/cut.hpp"

#include <algorithm>
#include <numeric>

namespace raddle {

namespace {

// Below this lookahead, windows hold too few events to be worth the change from one partition to the next.
constexpr Time least_lookahead = 50'000;

// Whether every endpoint's cable leads to a switch.
bool is_switched(const NetworkConfig& network) {
  for (NodeId e = 0; e < network.endpoints; ++e) {
    const PortId peer = network.ports[e].peer;
    if (peer != none && network.ports[peer].node < network.endpoints) return false;
  }
  return network.switches > 0;
}

// Switches and scale-up links that are not to be cut apart.
class Groups {
 public:
  explicit Groups(std::size_t count) : parent_(count) { std::iota(parent_.begin(), parent_.end(), 0U); }

  std::uint32_t of(std::uint32_t place) {
    while (parent_[place] != place) place = parent_[place] = parent_[parent_[place]];
    return place;
  }

  // The lower of the two stands for both.
  void join(std::uint32_t a, std::uint32_t b) {
    a = of(a);
    b = of(b);
    parent_[std::max(a, b)] = std::min(a, b);
  }

 private:
  std::vector<std::uint32_t> parent_;
};

// Places are switches, then links. Endpoints are at their switch's.
class Places {
 public:
  explicit Places(const Tables& tables)
      : tables_(tables), work_(tables.work), switches_(tables.network.switches),
        groups_(switches_ + work_.scale_up.link_speed.size()) {}

  void join_paths() {
    const ScaleUpConfig& config = work_.scale_up;
    for (QpId qp = 0; qp + 1 < config.path_offsets.size(); ++qp) {
      for (auto i = config.path_offsets[qp]; i < config.path_offsets[qp + 1]; ++i) {
        groups_.join(switches_ + config.path_links[config.path_offsets[qp]], switches_ + config.path_links[i]);
      }
    }
  }

  // A flow's end starts another one at once: at its receiver or at its sender (see Flows::complete).
  void join_dependencies() {
    for (FlowId flow = 0; flow < work_.flow_qp.size(); ++flow) {
      const std::uint32_t starts = of_queue_pair(work_.flow_qp[flow], work_.qp_src);
      for (auto i = work_.dep_offsets[flow]; i < work_.dep_offsets[flow + 1]; ++i) {
        const FlowId before = work_.dep_ids[static_cast<std::size_t>(i)];
        const bool at_receiver = tables_.starts_at_receiver(before, flow);
        groups_.join(starts, of_queue_pair(work_.flow_qp[before], at_receiver ? work_.qp_dst : work_.qp_src));
      }
    }
  }

  // Numbers the groups of switches and of links that some queue pair takes; returns how many there are.
  std::uint32_t number(std::vector<std::uint32_t>& of_node, std::vector<std::uint32_t>& of_link) {
    std::vector<std::uint32_t> numbers(switches_ + of_link.size(), none);
    std::uint32_t count = 0;
    const auto number_of = [&](std::uint32_t place) {
      std::uint32_t& found = numbers[groups_.of(place)];
      return found = found == none ? count++ : found;
    };
    const NodeId endpoints = tables_.network.endpoints;
    for (NodeId s = 0; s < switches_; ++s) of_node[endpoints + s] = number_of(s);
    for (NodeId e = 0; e < endpoints; ++e) of_node[e] = number_of(of_endpoint(e));
    for (const std::uint32_t link : work_.scale_up.path_links) of_link[link] = number_of(switches_ + link);
    return count;
  }

 private:
  // One without a cable sends and receives nothing.
  std::uint32_t of_endpoint(NodeId endpoint) const {
    const PortId peer = tables_.network.ports[endpoint].peer;
    return peer == none ? 0 : tables_.network.ports[peer].node - tables_.network.endpoints;
  }

  std::uint32_t of_queue_pair(QpId qp, const std::vector<NodeId>& ends) const {
    if (!tables_.is_scale_up(qp)) return of_endpoint(ends[qp]);
    return switches_ + work_.scale_up.path_links[work_.scale_up.path_offsets[qp]];
  }

  const Tables& tables_;
  const Workload& work_;
  NodeId switches_;
  Groups groups_;
};

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
  const Cut whole = no_cut(tables);
  if (!is_switched(tables.network)) return whole;
  Places places(tables);
  places.join_paths();
  places.join_dependencies();
  const std::uint32_t partitions = places.number(tables.partition_of_node, tables.scale_up.partition_of_link);
  const Time lookahead = partitions > 1 ? lookahead_of(tables) : never;
  if (partitions == 1 || lookahead < least_lookahead) return no_cut(tables);
  for (Port& port : tables.ports) {
    if (port.peer == none) continue;
    port.is_cut = tables.partition_of_node[port.node] != tables.partition_of_node[tables.ports[port.peer].node];
  }
  return {partitions, lookahead};
}

Cut no_cut(Tables& tables) {
  tables.partition_of_node.assign(tables.network.endpoints + tables.network.switches, 0);
  tables.scale_up.partition_of_link.assign(tables.scale_up.links.size(), 0);
  return {1, never};
}

}  // namespace raddle
