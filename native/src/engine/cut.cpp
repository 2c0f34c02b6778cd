// Cuts the network into partitions: every switch with the endpoints at it is one, every scale-up domain another. Those
// between which a flow's end starts a flow without any time in between are one together.

#include "raddle/cut.hpp"

#include <algorithm>
#include <numeric>

namespace raddle {

namespace {

// Below these lookaheads, windows hold too few events to be worth the change from one partition to the next: the ones
// that most windows have, and those while buffers are so full that pauses may be sent.
constexpr Time least_frame_lookahead = 50'000, least_pause_lookahead = 10'000;

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

  // What is sent to a port of a bond may come in at the other one.
  void join_bonds() {
    const std::vector<NodeId>& twin = tables_.network.endpoint_twin;
    for (NodeId e = 0; e < twin.size(); ++e) {
      if (twin[e] != none) groups_.join(of_endpoint(e), of_endpoint(twin[e]));
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

Time on_wire(const Tables& tables, std::int64_t bytes, std::int64_t speed) {
  const NicConfig& nic = tables.network.nic;
  const Time exact = wire_time(bytes + nic.gap_bytes, speed);
  return exact - exact % nic.clock;
}

// A frame is in its peer's buffer behind the pipeline, where switches cut through after its first bytes. A PFC frame
// acts when the MAC has it and the transmitter has stopped (IEEE 802.1Q-2022, 36.1.3; IEEE 802.3, 31B.3.7): it passes
// no pipeline, and takes the NICs' `pfc_reaction`, or where it takes no time on the wire the time given for it instead.
void set_lookaheads(const Tables& tables, Cut& cut) {
  const NicConfig& nic = tables.network.nic;
  const std::int64_t shortest = std::min({nic.ack_bytes, nic.cnp_bytes, nic.header_bytes});
  cut.frame_lookahead = cut.pause_lookahead = never;
  for (const Port& port : tables.ports) {
    if (!port.is_cut) continue;
    Time frame = on_wire(tables, shortest, port.speed);
    if (port.cut_ps != 0) frame = std::min<Time>(frame, port.cut_ps);
    cut.frame_lookahead = std::min(cut.frame_lookahead, frame + port.arrive_delay);
    const Time pause = on_wire(tables, nic.pause_bytes, port.speed) + port.propagation + nic.pfc_reaction;
    cut.pause_lookahead = std::min({cut.pause_lookahead, pause, nic.pause_delay});
  }
  cut.pause_lookahead = std::min(cut.pause_lookahead, cut.frame_lookahead);
}

// Puts partitions on two sides, so that every cable that is cut leads from one to the other; all on one where no way to
// do so is there.
std::vector<std::uint8_t> sides_of(const Tables& tables, std::uint32_t partitions) {
  constexpr std::uint8_t unknown = 2;
  std::vector<std::vector<std::uint32_t>> peers(partitions);
  for (const Port& port : tables.ports) {
    if (!port.is_cut) continue;
    peers[tables.partition_of_node[port.node]].push_back(tables.partition_of_node[tables.ports[port.peer].node]);
  }
  std::vector<std::uint8_t> sides(partitions, unknown);
  std::vector<std::uint32_t> open;
  for (std::uint32_t first = 0; first < partitions; ++first) {
    if (sides[first] != unknown) continue;
    sides[first] = 0;
    open.push_back(first);
    while (!open.empty()) {
      const std::uint32_t at = open.back();
      open.pop_back();
      for (const std::uint32_t peer : peers[at]) {
        if (sides[peer] == sides[at]) return std::vector<std::uint8_t>(partitions, 0);
        if (sides[peer] == unknown) open.push_back(peer);
        sides[peer] = 1 - sides[at];
      }
    }
  }
  return sides;
}

}  // namespace

Cut cut_network(Tables& tables) {
  no_cut(tables);  // the sizes
  if (!is_switched(tables.network)) return no_cut(tables);
  Places places(tables);
  places.join_paths();
  places.join_bonds();
  places.join_dependencies();
  const std::uint32_t partitions = places.number(tables.partition_of_node, tables.scale_up.partition_of_link);
  if (partitions == 1) return no_cut(tables);
  for (Port& port : tables.ports) {
    if (port.peer == none) continue;
    port.is_cut = tables.partition_of_node[port.node] != tables.partition_of_node[tables.ports[port.peer].node];
  }
  Cut cut{.partitions = partitions, .frame_lookahead = never, .pause_lookahead = never, .sides = {}};
  set_lookaheads(tables, cut);
  if (cut.frame_lookahead < least_frame_lookahead || cut.pause_lookahead < least_pause_lookahead) return no_cut(tables);
  cut.sides = sides_of(tables, partitions);
  return cut;
}

Cut no_cut(Tables& tables) {
  tables.partition_of_node.assign(tables.network.endpoints + tables.network.switches, 0);
  tables.scale_up.partition_of_link.assign(tables.scale_up.links.size(), 0);
  for (Port& port : tables.ports) port.is_cut = false;
  return {.partitions = 1, .frame_lookahead = never, .pause_lookahead = never, .sides = {0}};
}

}  // namespace raddle
