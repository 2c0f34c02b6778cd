// What keeps a port from receiving or sending a frame: a dark cable, bit errors, a slow host, the MTU.
//
// Ports without any of it do not come here (Port::rx_check, Port::tx_check).

#include <algorithm>
#include <utility>

#include "raddle/partition.hpp"

namespace raddle {

namespace {

constexpr std::int64_t ethernet_bytes = 18;  // header and FCS, which an MTU does not count
constexpr std::uint64_t error_stream = 0x1000'0000'0000;  // apart from the draws of ECN marking

double power(double base, std::int64_t exponent) {
  double result = 1;
  for (; exponent > 0; exponent >>= 1) {
    if (exponent & 1) result *= base;
    base *= base;
  }
  return result;
}

// The chance that one of `bits` bits is wrong; for tiny ratios by its series, where 1 - ratio would round.
double frame_errors(double ratio, std::int64_t bits) {
  const double mean = ratio * static_cast<double>(bits);
  return mean < 1e-4 ? mean - mean * mean / 2 : 1 - power(1 - ratio, bits);
}

}  // namespace

Reception::Reception(Tables& tables)
    : network_(tables.network), ports_(tables.ports.data()), impairments_(tables.impairments), buses_(tables.buses),
      lost_frames_(tables.lost_frames.data()), lost_bytes_(tables.lost_bytes.data()) {}

Impairment& Reception::impairment(PortId id) {
  if (impairments_.empty()) impairments_.resize(network_.ports.size());
  return impairments_[id];
}

void Reception::refresh_checks(PortId id) {
  Port& port = ports_[id];
  port.rx_check = port.tx_check = !port.is_up || port.peer == none;
  if (!port.is_endpoint) port.rx_check = port.rx_check || watchdogs().storm_priorities(id) != 0;
  if (impairments_.empty()) return;
  const Impairment& own = impairments_[id];
  port.rx_check = port.rx_check || !own.is_lit || own.bit_errors > 0 || own.drain > 0;
  port.tx_check = port.tx_check || own.mtu > 0;
}

void Reception::set_receiver(PortId port, std::int64_t bps, std::int64_t buffer, std::int64_t xoff,
                              std::int64_t xon) {
  Impairment& own = impairment(port);
  const std::int64_t held = own.drain > 0 && own.empty_at > now()
                                ? static_cast<std::int64_t>(static_cast<double>(own.empty_at - now()) *
                                                            static_cast<double>(own.drain) / 8e12)
                                : 0;
  own.drain = bps;
  own.buffer = buffer;
  own.xoff = xoff;
  own.xon = xon;
  own.empty_at = bps > 0 ? now() + wire_time(held, bps) : now();
  drain_receiver(port);
  refresh_checks(port);
}

bool Reception::receives(PortId id, const Packet& packet) {
  if (packet.is_train()) {
    kernel().take_apart(id, packet);
    return false;
  }
  const Port& port = ports_[id];
  if (!port.is_up || (!impairments_.empty() && !impairments_[id].is_lit)) {
    lose(id, packet, DropReason::link_down);
    return false;
  }
  if (is_corrupt(id, packet.bytes)) {
    lose(id, packet, DropReason::corrupt);
    return false;
  }
  if (!port.is_endpoint) {
    watchdogs().count_received(id, packet);
    return true;
  }
  return takes(id, packet);
}

// Drops a frame that never arrived as one.
void Reception::lose(PortId id, const Packet& packet, DropReason reason) {
  ++lost_frames_[id];
  lost_bytes_[id] += packet.bytes;
  kernel().drop(id, packet, reason);
}

bool Reception::hears_pause(PortId id) {
  const Port& port = ports_[id];
  if (!port.is_up) return false;
  return impairments_.empty() || (impairments_[id].is_lit && !is_corrupt(id, network_.nic.pause_bytes));
}

bool Reception::is_corrupt(PortId id, std::int64_t bytes) {
  if (impairments_.empty() || impairments_[id].bit_errors == 0) return false;
  Impairment& own = impairments_[id];
  const std::uint64_t bits = random_bits(network_.seed, id + error_stream, own.frames++);
  return static_cast<double>(bits >> 11) * 0x1.0p-53 < frame_errors(own.bit_errors, bytes * 8);
}

// The buffer of a slow host's NIC, of which only the time at which it will be empty is kept.
// Assumption: data is acknowledged when it has reached this buffer.
bool Reception::takes(PortId id, const Packet& packet) {
  if (impairments_.empty() || impairments_[id].drain == 0 || packet.kind() != PacketKind::data) return true;
  Impairment& own = impairments_[id];
  const Time filled = std::max(own.empty_at, now()) + wire_time(packet.bytes, own.drain);
  if (filled - now() > wire_time(own.buffer, own.drain)) {
    kernel().drop(id, packet, DropReason::receiver);
    return false;
  }
  own.empty_at = filled;
  if (filled - now() > wire_time(own.xoff, own.drain)) {
    own.halted = static_cast<std::uint8_t>(own.halted | 1U << transport().priority_of(packet.qp));
    refresh_halt(id);
    drain_receiver(id);
  }
  return true;
}

// The NIC has read a frame ahead; the one behind that is there when the bus has carried it.
bool Reception::is_held_by_bus(PortId id) {
  const HostBus& bus = buses_[id];
  if (bus.speed == 0 || bus.free_at <= now()) return false;
  kernel().events.set_wake(id, bus.free_at);
  return true;
}

// From the time of its last frame on, so that over time the payload takes the bus's rate and no more.
void Reception::load_bus(PortId id, std::int64_t payload) {
  HostBus& bus = buses_[id];
  if (bus.speed == 0) return;
  const Time takes = wire_time(payload, bus.speed);
  bus.free_at = std::max(bus.free_at + takes, now());
}

// A message has arrived at the host when its bus has carried what the NIC holds.
bool Reception::lands_later(PortId id, FlowId flow) {
  if (buses_[id].speed == 0 || impairments_.empty() || impairments_[id].empty_at <= now()) return false;
  ++flows().open;
  const std::uint32_t event = static_cast<std::uint32_t>(HostEvent::landing) << host_event_shift | flow;
  kernel().schedule(id, impairments_[id].empty_at, EventKind::host, event, 0);
  return true;
}

void Reception::look_at_receiver(PortId id) {
  impairments_[id].is_armed = false;
  drain_receiver(id);
}

// Lets the switch go on once no more than xon is left; until then it looks again when that is due.
void Reception::drain_receiver(PortId id) {
  Impairment& own = impairments_[id];
  if (own.halted == 0 || own.is_armed) return;
  const Time due = own.drain > 0 ? own.empty_at - wire_time(own.xon, own.drain) : now();
  if (due > now()) {
    own.is_armed = true;
    return kernel().schedule_timer(id, due, PortTimer::receiver_drain, 0);
  }
  own.halted = 0;
  refresh_halt(id);
}

// Tells the switch what changes in what the NIC wants halted.
void Reception::refresh_halt(PortId id) {
  const unsigned wanted = impairments_[id].halted | impairments_[id].storm;
  for (unsigned priority = 0; priority < priorities; ++priority) {
    const bool is_xoff = (wanted >> priority & 1U) != 0;
    if (is_xoff != ((ports_[id].pfc_xoff >> priority & 1U) != 0)) ports().change_pause(id, priority, is_xoff);
  }
}

void Reception::set_beat(PortId id, std::uint8_t halted, std::uint16_t quanta, Time period) {
  Impairment& own = impairment(id);
  own.beat = period;
  own.beat_priorities = halted;
  own.beat_quanta = quanta;
  own.beat_due = 0;
  ++own.beat_run;
  beat(id, own.beat_run);
}

void Reception::beat(PortId id, unsigned run) {
  Impairment& own = impairments_[id];
  if (own.beat == 0 || run != own.beat_run) return;
  kernel().schedule_timer(id, now() + own.beat, PortTimer::storm_beat, run);
  if (!ports_[id].is_up) return;
  own.beat_due = own.beat_priorities;
  ports().tell_pause(id, own.beat_priorities);
}

std::uint8_t Reception::take_beat(PortId id) {
  if (impairments_.empty()) return 0;
  return std::exchange(impairments_[id].beat_due, std::uint8_t{0});
}

// An MTU that no frame exceeds costs nothing.
void Reception::set_mtu(PortId id, std::uint32_t mtu) {
  const std::int64_t longest = network_.nic.mtu + network_.nic.header_bytes - ethernet_bytes;
  const bool matters = mtu > 0 && longest > mtu;
  if (matters || !impairments_.empty()) impairment(id).mtu = matters ? mtu : 0;
}

bool Reception::is_too_long(PortId id, std::int64_t bytes) const {
  return !impairments_.empty() && impairments_[id].mtu > 0 && bytes - ethernet_bytes > impairments_[id].mtu;
}

}  // namespace raddle
