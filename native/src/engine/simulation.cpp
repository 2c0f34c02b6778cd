#include "raddle/simulation.hpp"

#include <algorithm>
#include <tuple>

#include "raddle/checks.hpp"

namespace raddle {

namespace {

// How far ahead most arrivals lie: the longest way to a peer, and a full frame on the slowest wire.
Time horizon(const NetworkConfig& network) {
  Time longest = 0;
  for (const PortConfig& port : network.ports) {
    if (port.peer == none) continue;
    const NodeId far = network.ports[port.peer].node;
    const Time pipeline = far < network.endpoints ? 0 : network.pipeline_latency[far - network.endpoints];
    longest = std::max(longest, wire_time(network.nic.mtu * network.nic.train, port.speed) + port.propagation + pipeline);
  }
  return longest;
}

std::unique_ptr<Tables> make_tables(const NetworkConfig& network, const Workload& work) {
  check_network(network);
  check_workload(work, network.endpoints);
  return std::make_unique<Tables>(network, work);
}

}  // namespace

Simulation::Simulation(const NetworkConfig& network, const Workload& work, unsigned threads, bool is_cut)
    : tables_(make_tables(network, work)), drop_time_(work.qp_src.size(), -1),
      is_admin_up_(network.ports.size(), true), has_carrier_(network.ports.size(), true) {
  const Cut cut = is_cut ? cut_network(*tables_) : no_cut(*tables_);
  for (std::uint32_t i = 0; i < cut.partitions; ++i) {
    partitions_.push_back(std::make_unique<Partition>(*tables_, i, horizon(network)));
  }
  windows_ = std::make_unique<Windows>(*tables_, partitions_, cut, threads);
  for (FlowId flow = 0; flow < work.flow_qp.size(); ++flow) {
    if (!tables_->has_start_event(flow)) continue;
    const QpId qp = work.flow_qp[flow];
    const std::uint32_t from = tables_->first_place(qp);
    Partition& partition =
        tables_->is_scale_up(qp) ? *partitions_[tables_->scale_up.partition_of_link[from]] : partition_of(from);
    ++partition.open;
    partition.schedule(from, work.flow_start[flow], EventKind::start, flow, 0);
  }
}

std::uint64_t Simulation::advance(Time until, std::uint64_t max_events) {
  const std::uint64_t events = windows_->run(until, max_events);
  count_drops();
  gather_watchdog_events();
  Time clock = 0, last_end = 0;
  for (const auto& partition : partitions_) {
    clock = std::max(clock, partition->Kernel::now);
    last_end = std::max(last_end, partition->last_end);
  }
  const bool is_reached = windows_->next_time() > until && until != never;
  if (is_reached && windows_->open_flows() > 0) clock = until;
  now_ = windows_->is_done() ? last_end : clock;
  windows_->align(clock);
  return events;
}

// Adds what the partitions dropped to the queue pairs' counts. The last drop is the latest, at the highest port.
void Simulation::count_drops() {
  QpResults& results = tables_->qp_results;
  for (const auto& partition : partitions_) {
    for (const auto& [time, qp, port, reason, rule, frames] : partition->drop_records) {
      results.drops[qp] += frames;
      if (time < drop_time_[qp]) continue;
      if (time == drop_time_[qp] && port < results.drop_port[qp]) continue;
      drop_time_[qp] = time;
      results.drop_port[qp] = port;
      results.drop_reason[qp] = static_cast<std::uint8_t>(reason);
      results.drop_rule[qp] = rule;
    }
    partition->drop_records.clear();
  }
}

void Simulation::gather_watchdog_events() {
  const auto known = static_cast<std::ptrdiff_t>(watchdog_events_.size());
  for (const auto& partition : partitions_) {
    auto& events = partition->happened();
    watchdog_events_.insert(watchdog_events_.end(), events.begin(), events.end());
    events.clear();
  }
  const auto place = [](const WatchdogEvent& event) { return std::tuple(event.time, event.port, event.queue); };
  std::sort(watchdog_events_.begin() + known, watchdog_events_.end(),
            [&](const WatchdogEvent& a, const WatchdogEvent& b) { return place(a) < place(b); });
}

std::size_t Simulation::flows_done() const {
  std::size_t done = 0;
  for (const auto& partition : partitions_) done += partition->done;
  return done;
}

std::vector<std::int64_t> Simulation::scale_up_bytes() const {
  std::vector<std::int64_t> bytes;
  for (const ScaleUpLink& link : tables_->scale_up.links) bytes.push_back(link.bytes);
  return bytes;
}

std::int64_t Simulation::scale_up_sent() const {
  std::int64_t total = 0;
  for (const auto& partition : partitions_) total += partition->scale_up().sent();
  return total;
}

std::int64_t Simulation::scale_up_delivered() const {
  std::int64_t total = 0;
  for (const auto& partition : partitions_) total += partition->scale_up().delivered();
  return total;
}

std::uint64_t Simulation::injected() const {
  std::uint64_t total = 0;
  for (const auto& partition : partitions_) total += partition->injected;
  return total;
}

std::uint64_t Simulation::delivered() const {
  std::uint64_t total = 0;
  for (const auto& partition : partitions_) total += partition->delivered;
  return total;
}

std::uint64_t Simulation::dropped() const {
  std::uint64_t total = 0;
  for (const auto& partition : partitions_) total += partition->dropped;
  return total;
}

std::uint64_t Simulation::in_network() const {
  std::uint64_t total = 0;
  for (const auto& partition : partitions_) total += partition->packets.size() - partition->free_packets;
  for (PortId sender = 0; sender < tables_->ports.size(); ++sender) {
    const Wire& wire = tables_->wires[sender];
    for (std::uint32_t place = 0; place < wire.count; ++place) total += wire.at(place).frames();
    windows_->each_unopened(sender, [&](const Packet& packet) { total += packet.frames(); });
    if (tables_->train_ports.empty()) continue;
    const auto& packets = partitions_[tables_->partition_of_node[tables_->ports[sender].node]]->packets;
    for (QueueId queue = sender * priorities; queue < (sender + 1) * priorities; ++queue) {
      for (PacketId at = tables_->queues[queue].head; at != none; at = packets[at].next) total += packets[at].frames() - 1;
    }
  }
  return total;
}

Simulation::Arrivals Simulation::arrivals() const {
  const std::size_t ports = tables_->ports.size();
  Arrivals arrived{std::vector<std::uint64_t>(ports, 0), std::vector<std::int64_t>(ports, 0)};
  for (PortId sender = 0; sender < ports; ++sender) {
    const PortId to = tables_->ports[sender].peer;
    if (to == none) continue;
    std::uint64_t frames = 0;
    std::int64_t bytes = 0;
    for (unsigned queue = 0; queue < priorities; ++queue) {
      frames += tables_->queues[sender * priorities + queue].tx_frames;
      bytes += tables_->queues[sender * priorities + queue].tx_bytes;
    }
    const Wire& wire = tables_->wires[sender];
    for (std::uint32_t place = 0; place < wire.count; ++place) {
      frames -= wire.at(place).frames();
      bytes -= wire.at(place).bytes;
    }
    windows_->each_unopened(sender, [&](const Packet& packet) {
      frames -= packet.frames();
      bytes -= packet.bytes;
    });
    arrived.frames[to] = frames - tables_->lost_frames[to];
    arrived.bytes[to] = bytes - tables_->lost_bytes[to];
  }
  return arrived;
}

std::vector<Time> Simulation::pause_time() const {
  std::vector<Time> total = tables_->pause_total;
  const Time now = partitions_.front()->Kernel::now;
  for (std::size_t i = 0; i < total.size(); ++i) {
    if (tables_->ports[i / priorities].paused >> (i % priorities) & 1U) total[i] += now - tables_->pause_since[i];
  }
  return total;
}

}  // namespace raddle
