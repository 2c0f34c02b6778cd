// Cables and what depends on them: a link is up when its cable and both of its ports are.

#include <stdexcept>

#include "raddle/simulation.hpp"

namespace raddle {

void Simulation::set_link(PortId port, bool is_up) {
  for (const PortId end : {port, ports_[port].peer}) {
    if (end != none) has_carrier_[end] = is_up;
  }
  refresh_link(port);
}

void Simulation::set_storm(PortId port, std::uint8_t queues) {
  if (!ports_[port].is_endpoint) throw std::invalid_argument("only a NIC can be told to storm");
  for (unsigned priority = 0; priority < priorities; ++priority) {
    const bool is_xoff = (queues >> priority & 1U) != 0;
    if (is_xoff != ((ports_[port].pfc_xoff >> priority & 1U) != 0)) change_pause(port, priority, is_xoff);
  }
}

// Raises or lowers both ends of a link to what cable and ports say now.
void Simulation::refresh_link(PortId port) {
  const PortId peer = ports_[port].peer;
  const bool is_up = peer != none && has_carrier_[port] && is_admin_up_[port] && is_admin_up_[peer];
  for (const PortId end : {port, peer}) {
    if (end == none || ports_[end].is_up == is_up) continue;
    if (is_up) {
      raise_port(end);
    } else {
      lower_port(end);
    }
  }
}

void Simulation::raise_port(PortId id) {
  ports_[id].is_up = true;
  // The peer has forgotten what it was told to halt.
  for (unsigned pg = 0; pg < priorities; ++pg) {
    if ((ports_[id].pfc_xoff >> pg & 1U) != 0) change_pause(id, pg, true);
  }
  kick(id);
}

// What waits in the port's queues is lost, and so is what is on the wire (it finds the far port down).
void Simulation::lower_port(PortId id) {
  Port& port = ports_[id];
  port.is_up = false;
  for (unsigned queue = 0; queue < priorities; ++queue) {
    while ((port.active >> queue & 1U) != 0) drop(id, take(port, id, queue), DropReason::link_down);
  }
  // The peer asks for nothing any more.
  if (!port.is_endpoint && !watchdogs_.empty()) watched_pause(id, 0, 0xFF);
  set_paused(id, 0);
  port.pfc_changed = 0;
}

}  // namespace raddle
