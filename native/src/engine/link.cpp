// What a port does when its link comes up or goes down.

#include "raddle/partition.hpp"

namespace raddle {

void Ports::raise_port(PortId id) {
  ports_[id].is_up = true;
  reception().refresh_checks(id);
  // The peer has forgotten what it was told to halt.
  for (unsigned pg = 0; pg < priorities; ++pg) {
    if ((ports_[id].pfc_xoff >> pg & 1U) != 0) change_pause(id, pg, true);
  }
  kick(id);
}

// What waits in the port's queues is lost, and so is what is on the wire (it finds the far port down).
void Ports::lower_port(PortId id) {
  Port& port = ports_[id];
  port.is_up = false;
  reception().refresh_checks(id);
  for (unsigned queue = 0; queue < priorities; ++queue) drop_all(id, queue, DropReason::link_down);
  // The peer asks for nothing any more.
  if (!port.is_endpoint && watchdogs().is_on()) watchdogs().watched_pause(id, 0, 0xFF);
  set_paused(id, 0);
  port.pfc_changed = 0;
}

}  // namespace raddle
