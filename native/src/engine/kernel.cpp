#include "raddle/kernel.hpp"

#include <algorithm>

namespace raddle {

Kernel::Kernel(Tables& tables, std::uint32_t number, Time horizon)
    : events(tables.lanes.data(), tables.ports.size(), horizon), audit(tables, number, packets),
      wires_(tables.wires.data()), ports_(tables.ports.data()), drops_(tables.drops.data()),
      pfc_sent_(tables.pfc_sent.data()), partition_of_node_(tables.partition_of_node.data()) {}

void Kernel::schedule(PortId by, Time time, EventKind kind, std::uint32_t id, std::uint32_t data) {
  events.push({time, event_order(by, kind, id), data});
}

void Kernel::schedule_timer(PortId port, Time time, PortTimer what, unsigned queue) {
  schedule(port, time, EventKind::timer, static_cast<std::uint32_t>(what) << 8 | queue, 0);
}

void Kernel::put_on_wire(PortId sender, const Packet& packet, Time arrival) {
  Wire& wire = wires_[sender];
  if (wire.count == 0) events.set_arrival(sender, arrival);
  wire.push(packet).arrival = arrival;
}

[[gnu::noinline]] void Kernel::put_between(PortId sender, const Packet& packet, Time arrival, Time later) {
  put_on_wire(sender, packet, arrival);
  Wire& wire = wires_[sender];
  std::uint32_t place = wire.count - 1;
  if (place == 0 || wire.at(place - 1).arrival <= arrival) return;
  wire.at(place - 1).arrival += later;
  for (; place > 0 && wire.at(place - 1).arrival > arrival; --place) std::swap(wire.at(place - 1), wire.at(place));
  if (place == 0) events.replace_arrival(sender, arrival);
}

Outbox::Letters& Kernel::letters_to(PortId port, Time time) {
  const std::uint32_t partition = partition_of_node_[ports_[port].node];
  Outbox::Letters& letters = outbox->to[partition];
  if (letters.wires.empty() && letters.events.empty()) outbox->touched.push_back(partition);
  outbox->earliest = std::min(outbox->earliest, time);
  return letters;
}

// Hands a frame to the peer's partition; it leaves this one.
void Kernel::put_in_letter(PortId sender, const Packet& packet, Time arrival) {
  std::vector<Packet>& frames = outbox->frames[sender];
  if (frames.empty()) letters_to(ports_[sender].peer, arrival).wires.push_back(sender);
  frames.push_back(packet);
  frames.back().arrival = arrival;
}

// Tells the peer which priorities to halt.
void Kernel::notify_peer(PortId by, Time time, std::uint32_t masks) {
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

void Kernel::collect(Outbox& box, Outbox::Letters& letters) {
  for (const PortId sender : letters.wires) {
    std::vector<Packet>& frames = box.frames[sender];
    Wire& wire = wires_[sender];
    if (wire.count == 0) events.set_arrival(sender, frames.front().arrival);
    for (const Packet& frame : frames) {
      audit.collected(frame.bytes);
      wire.push(frame);
    }
    frames.clear();
  }
  for (const Event& event : letters.events) events.push(event);
  letters.wires.clear();
  letters.events.clear();
}

PacketId Kernel::allocate_packet() {
  if (free_packet_ == none) {
    packets.emplace_back();
    return static_cast<PacketId>(packets.size() - 1);
  }
  const PacketId id = free_packet_;
  free_packet_ = packets[id].next;
  --free_packets;
  return id;
}

void Kernel::free_packet(PacketId id) {
  packets[id].next = free_packet_;
  free_packet_ = id;
  ++free_packets;
}

[[gnu::noinline]] void Kernel::take_apart(PortId in, const Packet& train) {
  const PortId sender = ports_[in].peer;
  const Packet whole = train;  // lies on the wire
  audit.arrived(in, -std::int64_t{whole.bytes});
  for (std::uint32_t i = whole.frames(); i-- > 0;) wires_[sender].push_front(whole.part(i, 1)).arrival = now;
  events.replace_arrival(sender, now);
}

void Kernel::drop(PortId port, const Packet& packet, DropReason reason, std::uint32_t rule) {
  drops_[port * drop_reasons + static_cast<unsigned>(reason)] += packet.frames();
  drop_records.push_back({now, packet.qp, port, reason, rule, packet.frames()});
  dropped += packet.frames();
  audit.dropped(port, packet.bytes);
}

}  // namespace raddle
