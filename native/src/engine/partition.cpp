#include "raddle/partition.hpp"

#include <algorithm>

namespace raddle {

Partition::Partition(Tables& tables, std::uint32_t number, Time horizon)
    : network_(tables.network), tables_(tables), work_(tables.work), qp_flow_offsets_(tables.qp_flow_offsets.data()),
      qp_flows_(tables.qp_flows.data()), waits_(tables.waits.data()),
      dependent_offsets_(tables.dependent_offsets.data()), dependents_(tables.dependents.data()),
      ports_(tables.ports.data()), wires_(tables.wires.data()), queues_(tables.queues.data()),
      pgs_(tables.pgs.data()), switches_(tables.switches.data()), senders_(tables.senders.data()),
      receivers_(tables.receivers.data()), round_(tables.round.data()), drops_(tables.drops.data()),
      marking_counter_(tables.marking_counter.data()), pauses_(tables.pauses.data()), marks_(tables.marks.data()),
      pfc_sent_(tables.pfc_sent.data()), pfc_received_(tables.pfc_received.data()),
      lost_frames_(tables.lost_frames.data()), lost_bytes_(tables.lost_bytes.data()),
      marked_bytes_(tables.marked_bytes.data()), queue_losses_(tables.queue_losses.data()),
      pg_losses_(tables.pg_losses.data()), headroom_marks_(tables.headroom_marks.data()),
      pause_since_(tables.pause_since.data()), pause_total_(tables.pause_total.data()),
      hashes_(tables.hashes), watchdogs_(tables.watchdogs), watchdog_queues_(tables.watchdog_queues),
      selective_senders_(tables.selective_senders), selective_receivers_(tables.selective_receivers),
      impairments_(tables.impairments), buses_(tables.buses), pause_clocks_(tables.pause_clocks),
      flow_results_(tables.flow_results), qp_results_(tables.qp_results),
      partition_of_node_(tables.partition_of_node.data()),
      events_(tables.lanes.data(), tables.ports.size(), horizon),
      scale_up_(tables.work, qp_flow_offsets_, qp_flows_, tables.scale_up, events_), audit_(tables, number, packets_) {}

std::uint64_t Partition::run(Time end) {
  events_.set_limit(end - 1);
  PortId port = 0;
  Event event{};
  for (std::uint64_t count = 0;; ++count) {
    switch (events_.pop(port, now_, event)) {
      case EventQueue::Popped::arrival:
        arrive(port);
        break;
      case EventQueue::Popped::wake:
        kick(port);
        break;
      case EventQueue::Popped::event:
        now_ = event.time;
        dispatch(event);
        break;
      case EventQueue::Popped::nothing:
        return count;
    }
    audit_.check_event(now_, packets_.size() - free_packets_);
  }
}

void Partition::schedule(PortId by, Time time, EventKind kind, std::uint32_t id, std::uint32_t data) {
  events_.push({time, event_order(by, kind, id), data});
}

void Partition::schedule_timer(PortId port, Time time, PortTimer what, unsigned queue) {
  schedule(port, time, EventKind::timer, static_cast<std::uint32_t>(what) << 8 | queue, 0);
}

void Partition::port_timer(PortId port, std::uint32_t id) {
  const unsigned queue = id & 0xFFU;
  switch (static_cast<PortTimer>(id >> 8)) {
    case PortTimer::storm_detect:
      return detect_storm(port, queue);
    case PortTimer::storm_restore:
      return restore_storm(port, queue);
    case PortTimer::pause_renew:
      return renew_pause(port);
    case PortTimer::pause_expire:
      return expire_pause(port, queue);
    case PortTimer::receiver_drain:
      impairments_[port].is_armed = false;
      return drain_receiver(port);
  }
}

void Partition::dispatch(const Event& event) {
  const std::uint32_t id = event.id();
  switch (event.kind()) {
    case EventKind::arrive:
      arrive(id);
      break;
    case EventKind::wake:
      kick(id);
      break;
    case EventKind::pause:
      receive_pause(id, event.data);
      break;
    case EventKind::release:
      audit_.sending(id, -static_cast<std::int64_t>(event.data & 0xFFFFU));
      release(id, event.data >> 16, event.data & 0xFFFFU);
      break;
    case EventKind::retransmit:
      retransmit_timer(id);
      break;
    case EventKind::timer:
      port_timer(event.port(), id);
      break;
    case EventKind::start:
      --open_flows_;
      make_ready(id);
      break;
    case EventKind::host:
      host_event(event);
      break;
  }
}

// Of a host's bus or of a scale-up domain.
void Partition::host_event(const Event& event) {
  if (static_cast<HostEvent>(event.id() >> host_event_shift) == HostEvent::landing) {
    const FlowId flow = event.id() & ((1U << host_event_shift) - 1);
    --open_flows_;
    last_end_ = now_;
    flow_results_.finish[flow] = now_;
    return complete(flow, true);
  }
  const auto [arrived, acknowledged] = scale_up_.dispatch(event);
  if (arrived != none) {
    flow_results_.finish[arrived] = now_;
    complete(arrived, true);
  }
  if (acknowledged != none) {
    flow_results_.acked[acknowledged] = now_;
    flow_results_.status[acknowledged] = static_cast<std::uint8_t>(FlowStatus::done);
    ++flows_done_;
    --open_flows_;
    last_end_ = now_;
    complete(acknowledged, false);
  }
}

// The first frame on the wire from `sender` is at its peer, behind the pipeline.
// CORRECTNESS: a switch works on it where it lies on the wire; it puts nothing on this one.
void Partition::arrive(PortId sender) {
  Wire& wire = wires_[sender];
  Packet& packet = wire.at(0);
  wire.pop();
  if (wire.count > 0) events_.set_arrival(sender, wire.at(0).arrival);
  const PortId id = wire.to;
  audit_.arrived(id, packet.bytes);
  const Port& port = ports_[id];
  if (port.rx_check && !receives(id, packet)) return;
  if (port.is_endpoint) {
    Packet received = packet;
    nic_receive(id, received);
  } else {
    switch_receive(id, packet);
  }
}

void Partition::put_on_wire(PortId sender, const Packet& packet, Time arrival) {
  Wire& wire = wires_[sender];
  if (wire.count == 0) events_.set_arrival(sender, arrival);
  wire.push(packet).arrival = arrival;
}

Outbox::Letters& Partition::letters_to(PortId port, Time time) {
  const std::uint32_t partition = partition_of_node_[ports_[port].node];
  Outbox::Letters& letters = outbox_->to[partition];
  if (letters.wires.empty() && letters.events.empty()) outbox_->touched.push_back(partition);
  outbox_->earliest = std::min(outbox_->earliest, time);
  return letters;
}

// Hands a frame to the peer's partition; it leaves this one.
void Partition::put_in_letter(PortId sender, const Packet& packet, Time arrival) {
  std::vector<Packet>& frames = outbox_->frames[sender];
  if (frames.empty()) letters_to(ports_[sender].peer, arrival).wires.push_back(sender);
  frames.push_back(packet);
  frames.back().arrival = arrival;
}

// Tells the peer which priorities to halt.
void Partition::notify_peer(PortId by, Time time, std::uint32_t masks) {
  const PortId peer = ports_[by].peer;
  for (unsigned priority = 0; priority < priorities; ++priority) {
    pfc_sent_[by * priorities + priority] += masks >> 8 >> priority & 1U;
  }
  if (ports_[by].is_cut) {
    letters_to(peer, time).events.push_back({time, event_order(by, EventKind::pause, peer), masks});
  } else {
    schedule(by, time, EventKind::pause, peer, masks);
  }
}

void Partition::collect(Outbox& box, Outbox::Letters& letters) {
  for (const PortId sender : letters.wires) {
    std::vector<Packet>& frames = box.frames[sender];
    Wire& wire = wires_[sender];
    if (wire.count == 0) events_.set_arrival(sender, frames.front().arrival);
    for (const Packet& frame : frames) {
      audit_.collected(frame.bytes);
      wire.push(frame);
    }
    frames.clear();
  }
  for (const Event& event : letters.events) events_.push(event);
  letters.wires.clear();
  letters.events.clear();
}

PacketId Partition::allocate_packet() {
  if (free_packet_ == none) {
    packets_.emplace_back();
    return static_cast<PacketId>(packets_.size() - 1);
  }
  const PacketId id = free_packet_;
  free_packet_ = packets_[id].next;
  --free_packets_;
  return id;
}

void Partition::free_packet(PacketId id) {
  packets_[id].next = free_packet_;
  free_packet_ = id;
  ++free_packets_;
}

void Partition::drop(PortId port, const Packet& packet, DropReason reason, std::uint32_t rule) {
  ++drops_[port * drop_reasons + static_cast<unsigned>(reason)];
  drop_records_.push_back({now_, packet.qp, port, reason, rule});
  ++dropped_;
  audit_.dropped(port, packet.bytes);
}

void Partition::drop_at_queue(PortId port, unsigned queue, const Packet& packet, DropReason reason) {
  Losses& lost = queue_losses_[port * priorities + queue];
  ++lost.frames;
  lost.bytes += packet.bytes;
  if (reason == DropReason::wred) {
    ++lost.wred_frames;
    lost.wred_bytes += packet.bytes;
  }
  if (!watchdogs_.empty()) {
    if (WatchdogQueue& state = watchdog_queues_[port * priorities + queue]; state.pfc_masked != 0) ++state.latest.tx_dropped;
  }
  drop(port, packet, reason);
}

void Partition::drop_at_pg(PortId port, unsigned pg, const Packet& packet, DropReason reason) {
  Losses& lost = pg_losses_[port * priorities + pg];
  ++lost.frames;
  lost.bytes += packet.bytes;
  if (WatchdogQueue* state = storm_of(port, pg)) {
    --state->latest.rx;
    ++state->latest.rx_dropped;
  }
  drop(port, packet, reason);
}

}  // namespace raddle
