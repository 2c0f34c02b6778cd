// Pauses that end by themselves: a PFC frame halts for so many quanta, and who still wants the halt renews it.
// SOURCE: IEEE 802.1Q-2022, 36.1.3.2 (pause_time in quanta of 512 bit times of the receiving port).
// Assumption: it is renewed when half of its time is over.

#include "raddle/partition.hpp"

namespace raddle {

PauseClocks::PauseClocks(Tables& tables)
    : network_(tables.network), ports_(tables.ports.data()), clocks_(tables.pause_clocks) {}

Time PauseClocks::pause_span(const Port& port, std::uint32_t quanta) const {
  return wire_time(static_cast<std::int64_t>(quanta) * 64, port.speed);
}

void PauseClocks::start_renewing(PortId id) {
  PauseClock& clock = clocks_[id];
  if (clock.is_renewing) return;
  clock.is_renewing = true;
  kernel().schedule_timer(id, now() + pause_span(ports_[id], network_.nic.pause_quanta) / 2, PortTimer::pause_renew, 0);
}

void PauseClocks::renew_pause(PortId id) {
  Port& port = ports_[id];
  clocks_[id].is_renewing = false;
  if (port.pfc_xoff == 0) return;
  start_renewing(id);
  port.pfc_changed = static_cast<std::uint8_t>(port.pfc_changed | port.pfc_xoff);
  if (port.is_up) ports().kick(id);
}

// An expiry that is under way looks again at the new end; one that would come too late gets another before it.
void PauseClocks::extend_pause(PortId id, std::uint8_t queues, std::uint32_t quanta) {
  PauseClock& clock = clocks_[id];
  const Time end = now() + pause_span(ports_[id], quanta);
  for (unsigned queue = 0; queue < priorities; ++queue) {
    if ((queues >> queue & 1U) == 0) continue;
    clock.expires[queue] = end;
    if (clock.armed[queue] <= end) continue;
    clock.armed[queue] = end;
    kernel().schedule_timer(id, end, PortTimer::pause_expire, queue);
  }
}

void PauseClocks::expire_pause(PortId id, unsigned queue) {
  PauseClock& clock = clocks_[id];
  const auto bit = static_cast<std::uint8_t>(1U << queue);
  if (clock.armed[queue] != now()) return;  // another one has come before it
  clock.armed[queue] = never;
  if (clock.expires[queue] > now()) {
    clock.armed[queue] = clock.expires[queue];
    return kernel().schedule_timer(id, clock.expires[queue], PortTimer::pause_expire, queue);
  }
  auto queues = static_cast<std::uint8_t>(ports_[id].paused & ~bit);
  if (!ports_[id].is_endpoint && watchdogs().is_on()) queues = watchdogs().watched_pause(id, queues, bit);
  if (queues == ports_[id].paused) return;
  ports().set_paused(id, queues);
  ports().kick(id);
}

}  // namespace raddle
