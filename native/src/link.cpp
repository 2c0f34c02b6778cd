// Cables and what depends on them: a link is up when its cable and both of its ports are.

#include "raddle/simulation.hpp"

namespace raddle {

void Simulation::set_link(PortId port, bool is_up) {
  for (const PortId end : {port, ports_[port].peer}) {
    if (end != none) has_carrier_[end] = is_up;
  }
  refresh_link(port);
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
    if (pgs_[id * priorities + pg].is_xoff) change_pause(id, pg, true);
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
  set_paused(id, 0);
  port.pfc_changed = 0;
}

}  // namespace raddle
