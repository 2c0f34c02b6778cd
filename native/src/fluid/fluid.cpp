#include "raddle/fluid.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace raddle {

namespace {

constexpr double instant = 0.5;   // ps: results are whole picoseconds
constexpr double rounded = 1e-4;  // of a message, where many are under way

}  // namespace

Fluid::Fluid(const Simulation& forwarding)
    : forwarding_(forwarding), tables_(forwarding.tables()), nic_(tables_.network.nic), work_(tables_.work),
      moving_({}, 0, instant, rounded), pairs_(work_.qp_src.size()), waits_(tables_.waits),
      is_dark_(tables_.ports.size(), false) {
  std::uint8_t priority = priorities;
  for (QpId qp = 0; qp < pairs_.size(); ++qp) {
    if (tables_.is_scale_up(qp)) continue;
    if (priority < priorities && work_.qp_priority[qp] != priority) {
      throw std::invalid_argument("the fluid engine has one traffic class");
    }
    priority = work_.qp_priority[qp];
  }
  const std::size_t flows = work_.flow_qp.size();
  results_.start.assign(flows, never);
  results_.finish.assign(flows, never);
  results_.acked.assign(flows, never);
  results_.status.assign(flows, static_cast<std::uint8_t>(FlowStatus::waiting));
  tx_frames_.assign(tables_.queues.size(), 0);
  tx_bytes_.assign(tables_.queues.size(), 0);
  inside_bytes_.assign(work_.scale_up.link_speed.size(), 0);
  add_links();
  start_all();
}

// Wires by sending port, host buses each way, links of scale-up domains, a link that carries nothing, and what the
// window of each queue pair lets through.
void Fluid::add_links() {
  std::vector<double> capacity;
  for (const Port& port : tables_.ports) capacity.push_back(static_cast<double>(port.speed));
  const double around = static_cast<double>(nic_.mtu + nic_.header_bytes + nic_.gap_bytes);
  const auto add_buses = [&] {
    for (NodeId host = 0; host < tables_.network.endpoints; ++host) {
      const std::int64_t bus = tables_.network.endpoint_bus.empty() ? 0 : tables_.network.endpoint_bus[host];
      const double on_wire = static_cast<double>(bus) * around / static_cast<double>(nic_.mtu);
      capacity.push_back(bus > 0 ? on_wire : FluidFlows::forever);
    }
  };
  tx_bus_ = static_cast<std::uint32_t>(capacity.size());
  add_buses();
  rx_bus_ = static_cast<std::uint32_t>(capacity.size());
  add_buses();
  inside_links_ = static_cast<std::uint32_t>(capacity.size());
  for (const std::int64_t speed : work_.scale_up.link_speed) capacity.push_back(static_cast<double>(speed));
  nowhere_ = static_cast<std::uint32_t>(capacity.size());
  capacity.push_back(0);
  windows_ = static_cast<std::uint32_t>(capacity.size());
  if (nic_.window > 0) capacity.resize(capacity.size() + pairs_.size(), FluidFlows::forever);
  moving_ = FluidFlows(std::move(capacity), pairs_.size(), instant, rounded);
}

void Fluid::start_all() {
  for (FlowId flow = 0; flow < work_.flow_qp.size(); ++flow) {
    if (!tables_.has_start_event(flow)) continue;
    due_.push({work_.flow_start[flow], What::start, flow});
    ++open_;
  }
}

void Fluid::set_light(PortId port, bool is_lit) {
  for (const PortId end : {port, tables_.ports.at(port).peer}) {
    if (end == none) continue;
    is_dark_[end] = !is_lit;
    moving_.set_capacity(end, is_lit ? static_cast<double>(tables_.ports[end].speed) : 0);
  }
  is_stale_ = true;
}

void Fluid::refresh_speed(PortId port) {
  for (const PortId end : {port, tables_.ports.at(port).peer}) {
    if (end != none && !is_dark_[end]) moving_.set_capacity(end, static_cast<double>(tables_.ports[end].speed));
  }
  is_stale_ = true;
}

// A host takes no more frames than its own rate, and no more payload than its bus carries.
void Fluid::set_receiver(PortId port, std::int64_t bps) {
  const double frame = static_cast<double>(nic_.mtu + nic_.header_bytes);
  const double around = frame + static_cast<double>(nic_.gap_bytes);
  const std::int64_t bus = tables_.network.endpoint_bus.empty() ? 0 : tables_.network.endpoint_bus.at(port);
  double capacity = FluidFlows::forever;
  if (bps > 0) capacity = static_cast<double>(bps) * around / frame;
  if (bus > 0) capacity = std::min(capacity, static_cast<double>(bus) * around / static_cast<double>(nic_.mtu));
  moving_.set_capacity(rx_bus_ + port, capacity);
  is_stale_ = true;
}

double Fluid::next_time() {
  if (is_stale_) return static_cast<double>(now_);
  const double end = moving_.next_end();
  return due_.empty() ? end : std::min(end, static_cast<double>(due_.top().time));
}

Time Fluid::whole(double time) const { return static_cast<Time>(std::ceil(time - 1e-3)); }

std::uint64_t Fluid::advance(Time until, std::uint64_t max_events) {
  std::uint64_t events = 0;
  while (events < max_events) {
    const double time = next_time();
    if (time == FluidFlows::forever || (until != never && time > static_cast<double>(until))) {
      if (until != never && !is_done()) now_ = std::max(now_, until);
      break;
    }
    step(time, events);
  }
  if (is_done()) now_ = last_end_;
  return events;
}

// All that happens at one instant.
void Fluid::step(double time, std::uint64_t& events) {
  const std::vector<std::uint32_t> ended = moving_.go_to(std::max(time, moving_.now()));
  now_ = std::max(now_, whole(moving_.now()));
  if (is_stale_) {
    is_stale_ = false;
    reroute();
    ++events;
  }
  for (const QpId qp : ended) end(qp);
  events += ended.size();
  while (!due_.empty() && static_cast<double>(due_.top().time) <= moving_.now() + instant) {
    const Due due = due_.top();
    due_.pop();
    ++events;
    switch (due.what) {
      case What::start:
        --open_;
        make_ready(due.flow);
        break;
      case What::arrival:
        arrive(due.flow);
        break;
      case What::acknowledgement:
        acknowledge(due.flow);
        break;
    }
  }
  moving_.solve();
}

void Fluid::make_ready(FlowId flow) {
  if (--waits_[flow] == 0) post(work_.flow_qp[flow]);
}

void Fluid::prepare(FlowId flow) {
  const Time delay = work_.flow_delay.empty() ? 0 : work_.flow_delay[flow];
  const Time start = std::max(now_ + delay, work_.flow_start[flow]);
  if (waits_[flow] > 1 || start == now_) return make_ready(flow);
  ++open_;
  due_.push({start, What::start, flow});
}

void Fluid::complete(FlowId flow, bool at_receiver) {
  for (auto i = tables_.dependent_offsets[flow]; i < tables_.dependent_offsets[flow + 1]; ++i) {
    const FlowId dependent = tables_.dependents[static_cast<std::size_t>(i)];
    if (tables_.starts_at_receiver(flow, dependent) == at_receiver) prepare(dependent);
  }
}

void Fluid::post(QpId qp) {
  Pair& pair = pairs_[qp];
  const std::uint32_t first = tables_.qp_flow_offsets[qp];
  const std::uint32_t count = tables_.qp_flow_offsets[qp + 1] - first;
  const bool is_limited = nic_.messages > 0 && !tables_.is_scale_up(qp);
  const std::uint32_t most = is_limited ? std::min(count, pair.acked + nic_.messages) : count;
  while (pair.posted < most && waits_[tables_.qp_flows[first + pair.posted]] == 0) {
    const FlowId flow = tables_.qp_flows[first + pair.posted++];
    results_.start[flow] = now_;
    results_.status[flow] = static_cast<std::uint8_t>(FlowStatus::active);
    ++open_;
  }
  if (!pair.is_sending && pair.cursor < pair.posted) begin(qp);
}

void Fluid::begin(QpId qp) {
  Pair& pair = pairs_[qp];
  if (!pair.is_known) find_path(qp);
  pair.is_sending = true;
  pair.charged = 0;
  const FlowId flow = at_cursor(qp);
  const bool is_held = !tables_.is_scale_up(qp);
  moving_.start(qp, taken(qp, flow), bits_of(flow), 1, 0, is_held);
}

// The message at the cursor has drained.
void Fluid::end(QpId qp) {
  Pair& pair = pairs_[qp];
  const FlowId flow = at_cursor(qp);
  charge(qp, frames_of(flow));
  due_.push({whole(moving_.now() + way_of(qp, flow)), What::arrival, flow});
  ++pair.cursor;
  pair.charged = 0;
  pair.is_sending = false;
  if (pair.cursor == pair.posted) return;
  const FlowId next = at_cursor(qp);
  if (work_.flow_bytes[next] != work_.flow_bytes[flow] || tables_.is_scale_up(qp)) return begin(qp);
  pair.is_sending = true;
  moving_.go_on(qp, bits_of(next));
}

void Fluid::arrive(FlowId flow) {
  const QpId qp = work_.flow_qp[flow];
  results_.finish[flow] = now_;
  (tables_.is_scale_up(qp) ? inside_ : delivered_) += work_.flow_bytes[flow];
  answer(flow);
  complete(flow, true);
}

// Sends the acknowledgement of a message that has arrived, or keeps it until there is a way back.
void Fluid::answer(FlowId flow) {
  const QpId qp = work_.flow_qp[flow];
  if (!pairs_[qp].is_known) find_path(qp);
  if (!pairs_[qp].is_answered) return unanswered_.push_back(flow);
  due_.push({now_ + pairs_[qp].ack_way, What::acknowledgement, flow});
}

void Fluid::acknowledge(FlowId flow) {
  const QpId qp = work_.flow_qp[flow];
  results_.acked[flow] = now_;
  results_.status[flow] = static_cast<std::uint8_t>(FlowStatus::done);
  ++pairs_[qp].acked;
  --open_;
  last_end_ = now_;
  complete(flow, false);
  if (nic_.messages > 0) post(qp);
}

}  // namespace raddle
