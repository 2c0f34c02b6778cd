// The paths of the fluid engine's queue pairs: the links that they take, how long idle ones take, what ports count.

#include <algorithm>

#include "raddle/fluid.hpp"

namespace raddle {

namespace {

constexpr std::int64_t cut_bytes = 8 + 64;  // after which a switch that cuts through sends on, see Tables::set_cut_times
constexpr std::int64_t ethernet_bytes = 18;

}  // namespace

void Fluid::find_path(QpId qp) {
  Pair& pair = pairs_[qp];
  pair.is_known = true;
  pair.size = -1;
  if (tables_.is_scale_up(qp)) {
    pair.arrives = pair.is_answered = true;
    pair.ack_way = tables_.scale_up.pairs[qp].latency;
    return;
  }
  const std::vector<PortId> path = forwarding_.trace(qp, false), back = forwarding_.trace(qp, true);
  const auto reaches = [&](const std::vector<PortId>& way, NodeId end) {
    if (way.empty()) return false;
    const PortId last = tables_.ports[way.back()].peer;
    const std::vector<NodeId>& twin = tables_.network.endpoint_twin;
    return last == end || (!twin.empty() && twin[end] == last);
  };
  const bool returns = reaches(back, work_.qp_src[qp]);
  pair.arrives = reaches(path, work_.qp_dst[qp]) && returns && !is_too_long(path);
  pair.is_answered = returns && std::none_of(back.begin(), back.end(), [&](PortId port) { return is_dark_[port]; });
  pair.path = queues_of(qp, false);
  pair.back = queues_of(qp, true);
  pair.slowest = INT64_MAX;
  for (const PortId port : path) pair.slowest = std::min(pair.slowest, tables_.ports[port].speed);
  pair.ack_way = back_time(pair);
  if (nic_.window == 0 || !pair.arrives) return;
  // What the window lets through: so many packets in the time from a packet's start to its acknowledgement.
  const double packets = static_cast<double>(std::max<std::int64_t>(nic_.window / nic_.mtu, 1));
  const double bits = packets * 8 * static_cast<double>(nic_.mtu + nic_.header_bytes + nic_.gap_bytes);
  const double trip = static_cast<double>(idle_time(pair, nic_.mtu) + pair.ack_way);
  moving_.set_capacity(windows_ + qp, pair.is_answered ? bits / trip * 1e12 : 0);
}

bool Fluid::is_too_long(const std::vector<PortId>& path) const {
  if (tables_.impairments.empty()) return false;
  const std::int64_t longest = nic_.mtu + nic_.header_bytes - ethernet_bytes;
  return std::any_of(path.begin(), path.end(), [&](PortId port) {
    return tables_.impairments[port].mtu > 0 && longest > tables_.impairments[port].mtu;
  });
}

// The queue that a queue pair's data or acknowledgements take of each port on their way.
std::vector<QueueId> Fluid::queues_of(QpId qp, bool is_ack) const {
  std::vector<QueueId> queues;
  const bool has_class = is_ack && nic_.ack_dscp < dscps;
  const std::uint8_t dscp = has_class ? nic_.ack_dscp : work_.qp_dscp[qp];
  PortId in = none;
  for (const PortId out : forwarding_.trace(qp, is_ack)) {
    unsigned queue = has_class ? nic_.ack_priority : work_.qp_priority[qp];
    if (in != none) {
      const SwitchNode& node = tables_.switches[tables_.ports[out].node - tables_.network.endpoints];
      queue = node.qos[tables_.ports[out].qos].tc_to_queue[node.qos[tables_.ports[in].qos].dscp_to_tc[dscp]];
    }
    queues.push_back(out * priorities + queue);
    in = tables_.ports[out].peer;
  }
  return queues;
}

std::vector<Taken> Fluid::taken(QpId qp, FlowId flow) const {
  if (tables_.is_scale_up(qp)) return taken_inside(qp, flow);
  const Pair& pair = pairs_[qp];
  if (!pair.arrives) return {{nowhere_}};
  std::vector<Taken> all;
  for (const QueueId queue : pair.path) all.push_back({queue / priorities});
  const std::vector<std::int64_t>& buses = tables_.network.endpoint_bus;
  if (!buses.empty() && buses[work_.qp_src[qp]] > 0) all.push_back({tx_bus_ + work_.qp_src[qp]});
  if (moving_.rates().capacity(rx_bus_ + work_.qp_dst[qp]) < FluidFlows::forever) {
    all.push_back({rx_bus_ + work_.qp_dst[qp]});
  }
  if (nic_.window > 0) all.push_back({windows_ + qp});
  const std::uint64_t acks = (frames_of(flow) + nic_.ack_interval - 1) / nic_.ack_interval;
  const double ack_bits = static_cast<double>(acks) * 8 * static_cast<double>(nic_.ack_bytes + nic_.gap_bytes);
  for (const QueueId queue : pair.back) {
    all.push_back({.link = queue / priorities, .part = ack_bits / bits_of(flow), .is_load = true});
  }
  return all;
}

// What a switch copies is sent once, what it sums arrives once: see raddle/sim/scale_up.py.
std::vector<Taken> Fluid::taken_inside(QpId qp, FlowId flow) const {
  const ScaleUpConfig& config = work_.scale_up;
  const std::uint32_t first = config.path_offsets[qp], end = config.path_offsets[qp + 1];
  const std::int64_t size = work_.flow_bytes[flow];
  const std::int64_t tx = config.tx_bytes.empty() ? size : config.tx_bytes[flow];
  const std::int64_t rx = config.rx_bytes.empty() ? size : config.rx_bytes[flow];
  std::vector<Taken> all;
  for (std::uint32_t stage = first; stage < end; ++stage) {
    std::int64_t cost = stage + 1 == end ? rx : tx;
    if (first + 1 == end) cost = std::max(tx, rx);
    const double part = size > 0 ? static_cast<double>(cost) / static_cast<double>(size) : 1;
    if (part > 0) all.push_back({.link = inside_links_ + config.path_links[stage], .part = part});
  }
  return all;
}

double Fluid::bits_of(FlowId flow) const {
  const std::int64_t size = work_.flow_bytes[flow];
  if (tables_.is_scale_up(work_.flow_qp[flow])) return static_cast<double>(size) * 8;
  const auto frames = static_cast<std::int64_t>(frames_of(flow));
  return static_cast<double>(size + frames * (nic_.header_bytes + nic_.gap_bytes)) * 8;
}

std::uint64_t Fluid::frames_of(FlowId flow) const {
  return tables_.is_scale_up(work_.flow_qp[flow]) ? 1 : packets_of(work_.flow_bytes[flow], nic_.mtu);
}

// From a message's draining to its arrival: on an idle path, what it takes beyond its time on the slowest wire.
double Fluid::way_of(QpId qp, FlowId flow) {
  Pair& pair = pairs_[qp];
  if (tables_.is_scale_up(qp)) return static_cast<double>(pair.ack_way);
  const std::int64_t size = work_.flow_bytes[flow];
  if (pair.size == size) return pair.way;
  pair.size = size;
  const double on_slowest = bits_of(flow) * 1e12 / static_cast<double>(pair.slowest);
  return pair.way = static_cast<double>(idle_time(pair, size)) - on_slowest;
}

// Propagation, and the pipeline of the switch behind a wire.
Time Fluid::behind(PortId port) const {
  const NodeId at = tables_.network.ports[tables_.network.ports[port].peer].node;
  const NodeId endpoints = tables_.network.endpoints;
  return tables_.network.ports[port].propagation + (at < endpoints ? 0 : tables_.network.pipeline_latency[at - endpoints]);
}

// Start to last byte of a message that has its path to itself, as in raddle/sim/ideal.py.
Time Fluid::idle_time(const Pair& pair, std::int64_t size) const {
  const auto packets = static_cast<std::int64_t>(packets_of(size, nic_.mtu));
  const std::int64_t around = nic_.header_bytes + nic_.gap_bytes;
  const std::int64_t tail = size - (packets - 1) * nic_.mtu + around;
  const std::int64_t full = packets > 1 ? nic_.mtu + around : tail;
  Time first = 0, last = 0, pace = 0, through = 0, way = 0;
  for (const QueueId queue : pair.path) {
    const PortId port = queue / priorities;
    const std::int64_t speed = tables_.ports[port].speed;
    const bool is_cut = tables_.ports[port].cut_ps > 0;
    const Time full_time = wire_time(full, speed), tail_time = wire_time(tail, speed);
    pace = std::max(pace, full_time);
    const Time start = std::max(last, packets > 1 ? first + (packets - 2) * pace + full_time : 0);
    first += is_cut ? wire_time(std::min(full, cut_bytes), speed) : full_time;
    last = start + (is_cut ? wire_time(std::min(tail, cut_bytes), speed) : tail_time);
    through = start + tail_time;
    way += behind(port);
  }
  return through + way;
}

// From a message's arrival to its sender's knowing of it.
Time Fluid::back_time(const Pair& pair) const {
  const std::int64_t size = nic_.ack_bytes + nic_.gap_bytes;
  Time total = 0;
  for (const QueueId queue : pair.back) {
    const PortId port = queue / priorities;
    const bool is_cut = tables_.ports[port].cut_ps > 0;
    total += wire_time(is_cut ? std::min(size, cut_bytes) : size, tables_.ports[port].speed) + behind(port);
  }
  return total;
}

// Gives what is under way the paths that there are now.
void Fluid::reroute() {
  for (QpId qp = 0; qp < pairs_.size(); ++qp) {
    Pair& pair = pairs_[qp];
    if (!pair.is_known || tables_.is_scale_up(qp)) continue;
    pair.is_known = false;
    if (!pair.is_sending) continue;
    const FlowId flow = at_cursor(qp);
    charge(qp, frames_sent(qp));
    find_path(qp);
    moving_.move(qp, taken(qp, flow));
  }
  std::vector<FlowId> waiting;
  waiting.swap(unanswered_);
  for (const FlowId flow : waiting) answer(flow);
}

// Counts so many frames of the message at the cursor, and their acknowledgements, at the ports on their way.
void Fluid::charge(QpId qp, std::uint64_t frames) {
  Pair& pair = pairs_[qp];
  const FlowId flow = at_cursor(qp);
  if (tables_.is_scale_up(qp)) {
    if (frames <= pair.charged) return;
    const double size = static_cast<double>(work_.flow_bytes[flow]);
    for (const Taken& link : taken_inside(qp, flow)) inside_bytes_[link.link - inside_links_] += link.part * size;
    return;
  }
  const auto bytes_up_to = [&](std::uint64_t count) {
    const auto packets = static_cast<std::int64_t>(count);
    return std::min(packets * nic_.mtu, work_.flow_bytes[flow]) + packets * nic_.header_bytes;
  };
  const auto acks_up_to = [&](std::uint64_t count) {
    return count / nic_.ack_interval + (count == frames_of(flow) && count % nic_.ack_interval != 0 ? 1 : 0);
  };
  if (frames <= pair.charged) return;
  for (const QueueId queue : pair.path) {
    tx_frames_[queue] += frames - pair.charged;
    tx_bytes_[queue] += bytes_up_to(frames) - bytes_up_to(pair.charged);
  }
  const std::uint64_t acks = acks_up_to(frames) - acks_up_to(pair.charged);
  for (const QueueId queue : pair.back) {
    tx_frames_[queue] += acks;
    tx_bytes_[queue] += static_cast<std::int64_t>(acks) * nic_.ack_bytes;
  }
  pair.charged = frames;
}

// Whole frames of the message at the cursor that have drained.
std::uint64_t Fluid::frames_sent(QpId qp) const {
  const FlowId flow = at_cursor(qp);
  const double share = 1 - moving_.left(qp, static_cast<double>(now_)) / bits_of(flow);
  return static_cast<std::uint64_t>(static_cast<double>(frames_of(flow)) * share);
}

void Fluid::charge_all() {
  for (QpId qp = 0; qp < pairs_.size(); ++qp) {
    if (pairs_[qp].is_sending && !tables_.is_scale_up(qp)) charge(qp, frames_sent(qp));
  }
}

std::vector<std::int64_t> Fluid::scale_up_bytes() const {
  std::vector<std::int64_t> bytes;
  for (const double each : inside_bytes_) bytes.push_back(static_cast<std::int64_t>(each + 0.5));
  return bytes;
}

}  // namespace raddle
