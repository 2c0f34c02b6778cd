#include "raddle/partition.hpp"

namespace raddle {

Partition::Partition(Tables& tables, std::uint32_t number, Time horizon)
    : Kernel(tables, number, horizon), Ports(tables), PauseClocks(tables), Reception(tables), Switches(tables), Owners(tables),
      AccessLists(tables), AdaptiveRouting(tables), Watchdogs(tables), Nics(tables), Transport(tables),
      LossRecoveries(tables), Flows(tables, events), ports_(tables.ports.data()) {}

std::uint64_t Partition::run(Time end) {
  events.set_limit(end - 1);
  PortId port = 0;
  Event event{};
  for (std::uint64_t count = 0;; ++count) {
    switch (events.pop(port, Kernel::now, event)) {
      case EventQueue::Popped::arrival:
        arrive(port);
        break;
      case EventQueue::Popped::wake:
        kick(port);
        break;
      case EventQueue::Popped::event:
        Kernel::now = event.time;
        dispatch(event);
        break;
      case EventQueue::Popped::nothing:
        return count;
    }
    audit.check_event(Kernel::now, packets.size() - free_packets);
  }
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
      return look_at_receiver(port);
    case PortTimer::storm_beat:
      return beat(port, queue);
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
      audit.sending(id, -static_cast<std::int64_t>(event.data & 0xFFFFU));
      release(id, event.data >> 16, event.data & 0xFFFFU);
      break;
    case EventKind::retransmit:
      retransmit_timer(id);
      break;
    case EventKind::timer:
      port_timer(event.port(), id);
      break;
    case EventKind::start:
      --open;
      make_ready(id);
      break;
    case EventKind::host:
      host_event(event);
      break;
  }
}

// The first frame on the wire from `sender` is at its peer, behind the pipeline.
// CORRECTNESS: a switch works on it where it lies on the wire; it puts nothing on this one.
void Partition::arrive(PortId sender) {
  Wire& wire = wires_[sender];
  Packet& packet = wire.at(0);
  wire.pop();
  if (wire.count > 0) events.set_arrival(sender, wire.at(0).arrival);
  const PortId id = wire.to;
  audit.arrived(id, packet.bytes);
  const Port& port = ports_[id];
  if (port.rx_check && !receives(id, packet)) return;
  if (port.is_endpoint) {
    Packet received = packet;
    Nics::receive(id, received);
  } else {
    Switches::receive(id, packet);
  }
}

}  // namespace raddle
