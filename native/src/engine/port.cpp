// Transmission, pausing and scheduling: the same for the ports of switches and of NICs.

#include <algorithm>
#include <bit>

#include "raddle/partition.hpp"

namespace raddle {

namespace {

// As events carry it: pause_time of the halted priorities in quanta, the priorities named, those of them halted.
std::uint32_t pause_frame(std::uint32_t quanta, std::uint8_t named, std::uint8_t halted) {
  return quanta << 16 | static_cast<std::uint32_t>(named) << 8 | halted;
}

}  // namespace

Ports::Ports(Tables& tables)
    : network_(tables.network), ports_(tables.ports.data()), queues_(tables.queues.data()),
      queue_losses_(tables.queue_losses.data()), pauses_(tables.pauses.data()),
      pfc_received_(tables.pfc_received.data()), pause_since_(tables.pause_since.data()),
      pause_total_(tables.pause_total.data()), train_ports_(tables.train_ports.data()) {}

void Ports::kick(PortId id) {
  Port& port = ports_[id];
  if (now() < port.busy_until) {
    kernel().events.set_wake(id, port.busy_until);
  } else {
    send_now(id);
  }
}

// A call of its own, so that a kick of a busy port saves no registers.
[[gnu::noinline]] void Ports::send_now(PortId id) { transmit(id); }

// Precondition: the wire is free.
void Ports::transmit(PortId id) {
  Port& port = ports_[id];
  if (!port.is_up || port.peer == none) return;
  if (port.pfc_changed != 0 && send_pause(port, id)) return;
  const unsigned ready = (port.active | port.has_data) & ~port.paused & 0xFFU;
  if (ready == 0) return;
  if (!port.is_endpoint) {
    const PacketId packet = dequeue(port, id, ready);
    send_frame(port, id, kernel().packets[packet]);
    kernel().free_packet(packet);
  } else if (!nics().send(port, id, ready)) {
    return;
  }
  const bool has_more = ((port.active | port.has_data) & ~port.paused) != 0 || port.pfc_changed != 0;
  // A frame takes no time where the clock cuts it off; the next one follows at the same instant.
  if (has_more) kernel().events.set_wake(id, port.busy_until);
}

Time Ports::wire_ticks(const Port& port, std::int64_t wire_bytes) const {
  const Time exact = wire_time(wire_bytes, port.speed);
  return exact - exact % network_.nic.clock;
}

void Ports::send_frame(Port& port, PortId id, Packet& packet) {
  Time begin = now(), moves = never, forwardable;
  if (port.ps_per_byte != 0) {
    const std::int64_t wire_bytes = packet.bytes + network_.nic.gap_bytes;
    forwardable = port.busy_until = begin + wire_bytes * port.ps_per_byte;
  } else {
    forwardable = begin_slowly(port, id, packet, begin, moves);
  }
  if (port.cut_ps != 0) forwardable = std::min(forwardable, begin + port.cut_ps);
  const Time arrival = forwardable + port.arrive_delay;
  kernel().audit.sent(id, packet.bytes, port.is_cut);
  if (port.is_cut) {
    kernel().put_in_letter(id, packet, arrival);
  } else if (moves != never) [[unlikely]] {
    kernel().put_between(id, packet, arrival, moves);
  } else {
    kernel().put_on_wire(id, packet, arrival);
  }
}

[[gnu::noinline]] Time Ports::rest_of_train(const Port& port, PortId id) const {
  const TrainPort& train = train_ports_[id];
  if (train.frame == 0 || port.busy_until <= now()) return 0;
  const Time left = port.busy_until - now() - (now() == train.since ? 1 : 0);  // the first frame has begun
  return left / train.frame * train.frame;
}

// Begins a frame that is traced or takes no whole picoseconds, or a train. Returns when the far end may forward it.
// A train is at a switch with its first frame, and data at a host with its last. The others follow as they came, or one
// behind the other where that takes longer, so that no port sends what it does not have yet.
[[gnu::noinline]] Time Ports::begin_slowly(Port& port, PortId id, Packet& packet, Time& begin, Time& moves) {
  const std::int64_t wire_bytes = packet.frame_bytes() + network_.nic.gap_bytes;
  if (train_ports_ == nullptr) {
    if (port.is_traced) trace_frame(id, packet);
    return port.busy_until = now() + wire_ticks(port, wire_bytes);
  }
  TrainPort& train = train_ports_[id];
  const Time frame = train.ps_per_byte != 0 ? wire_bytes * train.ps_per_byte : wire_ticks(port, wire_bytes);
  const Time first = now() + frame, takes = frame * packet.frames();
  if (packet.kind() != PacketKind::data) return begin_answer(port, id, frame, takes, begin, moves);
  train.frame = frame;
  train.since = now();
  port.busy_until = now() + takes;
  const Time behind = takes - frame, spread = behind == 0 ? 0 : std::max<Time>(behind, packet.spread);
  packet.spread = static_cast<std::uint32_t>(std::min<Time>(spread, UINT32_MAX));
  if (!train.has_host) return first;
  return train.latest = std::max(first + spread, std::max(train.latest, train.answered) + takes);
}

// Of acknowledgements the last one is there, as a NIC has sent them all along; those before it have taken what was idle of
// the wire before now. Behind the frame on the wire they go before the rest of a train, which ends later by them.
Time Ports::begin_answer(Port& port, PortId id, Time frame, Time takes, Time& begin, Time& moves) {
  TrainPort& train = train_ports_[id];
  if (now() < port.busy_until) {
    begin = port.busy_until - rest_of_train(port, id);
    port.busy_until += takes;
    train.latest += takes;
    moves = takes;
  } else {
    moves = 0;
    train.frame = frame;
    train.since = now();
    port.busy_until = std::max(now() + frame, port.busy_until + takes);
  }
  begin = std::max(begin, train.answered);
  return train.answered = begin + frame;
}

// A PFC frame goes before all others (IEEE 802.1Q-2022, 36.2) and takes its own time on the wire.
bool Ports::send_pause(Port& port, PortId id) {
  const std::uint32_t masks = take_pause(port, id);
  if (port.is_traced) trace_pause(id, masks);
  port.busy_until = now() + wire_ticks(port, network_.nic.pause_bytes + network_.nic.gap_bytes);
  if (train_ports_ != nullptr) train_ports_[id].frame = 0;
  kernel().notify_peer(id, port.busy_until + port.propagation + network_.nic.pfc_reaction, masks);
  if ((port.active | port.has_data | port.pfc_changed) != 0) kernel().events.set_wake(id, port.busy_until);
  return true;
}

// The next PFC frame, as `pause_frame` has it.
std::uint32_t Ports::take_pause(Port& port, PortId id) {
  const std::uint8_t changed = port.pfc_changed;
  port.pfc_changed = 0;
  const std::uint8_t beat = port.is_endpoint ? reception().take_beat(id) : std::uint8_t{0};
  if (beat == 0) return pause_frame(network_.nic.pause_quanta, changed, port.pfc_xoff);
  // What the port itself has to say is in a frame behind it, which keeps up the pauses that it asks for.
  port.pfc_changed = static_cast<std::uint8_t>((changed & ~beat) | (port.pfc_xoff & beat));
  const std::uint32_t quanta = reception().beat_quanta(id);
  return pause_frame(quanta, beat, quanta > 0 ? beat : std::uint8_t{0});
}

void Ports::receive_pause(PortId id, std::uint32_t masks) {
  Port& port = ports_[id];
  if (port.rx_check && !reception().hears_pause(id)) return;
  unsigned paused = port.paused, asked = 0;
  const unsigned in_storm = port.is_endpoint ? 0U : watchdogs().storm_priorities(id);
  for (unsigned priority = 0; priority < priorities; ++priority) {
    if ((masks >> 8 >> priority & 1U) == 0) continue;
    ++pfc_received_[id * priorities + priority];
    unsigned queue = priority;
    if (!port.is_endpoint) {
      // A switch halts only priorities it has PFC enabled for (SONiC PORT_QOS_MAP.pfc_enable).
      if (((port.pfc_enable | in_storm) >> priority & 1U) == 0) continue;
      queue = switches().queue_of(port, priority);
    }
    const unsigned bit = 1U << queue;
    asked |= bit;
    paused = (masks >> priority & 1U) != 0 ? paused | bit : paused & ~bit;
  }
  auto queues = static_cast<std::uint8_t>(paused);
  if (pause_clocks().is_on()) {
    pause_clocks().extend_pause(id, static_cast<std::uint8_t>(asked & paused), masks >> 16);
  }
  if (!port.is_endpoint && watchdogs().is_on()) {
    queues = watchdogs().watched_pause(id, queues, static_cast<std::uint8_t>(asked));
  }
  set_paused(id, queues);
  kick(id);
}

void Ports::change_pause(PortId id, unsigned priority, bool is_xoff) {
  Port& port = ports_[id];
  const unsigned bit = 1U << priority;
  port.pfc_xoff = static_cast<std::uint8_t>(is_xoff ? port.pfc_xoff | bit : port.pfc_xoff & ~bit);
  if (is_xoff && pause_clocks().is_on()) pause_clocks().start_renewing(id);
  tell_pause(id, static_cast<std::uint8_t>(bit));
}

void Ports::tell_pause(PortId id, std::uint8_t changed) {
  Port& port = ports_[id];
  port.pfc_changed = static_cast<std::uint8_t>(port.pfc_changed | changed);
  if (network_.nic.pause_delay != never) {
    return kernel().notify_peer(id, now() + network_.nic.pause_delay, take_pause(port, id));
  }
  if (train_ports_ != nullptr && puts_pause_between(id, port)) return;
  kernel().events.set_wake(id, std::max(now(), port.busy_until));
}

// Sends a PFC frame behind the frame on the wire, before the rest of its train; false where nothing of one is left.
[[gnu::noinline]] bool Ports::puts_pause_between(PortId id, Port& port) {
  const Time frame = train_ports_[id].frame;
  if (frame == 0 || !port.is_up || port.peer == none) return false;
  const Time rest = (port.busy_until - now()) / frame * frame;
  if (rest <= 0) return false;
  const Time begin = port.busy_until - rest;
  const Time takes = wire_ticks(port, network_.nic.pause_bytes + network_.nic.gap_bytes);
  port.busy_until += takes;
  kernel().notify_peer(id, begin + takes + port.propagation + network_.nic.pfc_reaction, take_pause(port, id));
  return port.pfc_changed == 0;
}

void Ports::set_paused(PortId id, std::uint8_t queues) {
  Port& port = ports_[id];
  for (unsigned queue = 0; queue < priorities; ++queue) {
    const std::size_t at = id * priorities + queue;
    const bool was_paused = (port.paused >> queue & 1U) != 0;
    const bool is_paused = (queues >> queue & 1U) != 0;
    if (is_paused && !was_paused) {
      pause_since_[at] = now();
      ++pauses_[at];
      if (watchdogs().is_on()) watchdogs().watch(id, queue);
    } else if (was_paused && !is_paused) {
      pause_total_[at] += now() - pause_since_[at];
    }
  }
  port.paused = queues;
}

void Ports::enqueue(PortId id, unsigned queue, const Packet& packet) {
  Port& port = ports_[id];
  Queue& q = queues_[id * priorities + queue];
  kernel().audit.touch(id, queue);
  const PacketId slot = kernel().allocate_packet();
  kernel().packets[slot] = packet;
  kernel().packets[slot].next = none;
  if (q.head == none) {
    q.head = slot;
    port.active = static_cast<std::uint8_t>(port.active | 1U << queue);
  } else {
    kernel().packets[q.tail].next = slot;
  }
  q.tail = slot;
  q.bytes += packet.bytes;
  q.max_bytes = std::max(q.max_bytes, q.bytes);
}

// Takes the next packet of one of the `ready` queues (not empty) for transmission; to be freed after it.
PacketId Ports::dequeue(Port& port, PortId id, unsigned ready) {
  const unsigned queue = pick_queue(port, id, ready);
  const PacketId packet = take(port, id, queue);
  Packet& record = kernel().packets[packet];
  Queue& q = queues_[id * priorities + queue];
  q.tx_bytes += record.bytes;
  q.tx_frames += record.frames();
  if (!port.is_endpoint) switches().mark_leaving(port, id, queue, q, record);
  if (train_ports_ != nullptr) form_train(port, id, queue, record);
  return packet;
}

// Only where no other queue waits for its turn, which goes by the first one's bytes.
[[gnu::noinline]] void Ports::form_train(Port& port, PortId id, unsigned queue, Packet& train) {
  Queue& q = queues_[id * priorities + queue];
  train.spread = 0;
  if ((port.active & ~(1U << queue)) != 0) return;
  while (q.head != none && train.is_followed_by(kernel().packets[q.head], network_.nic.train)) {
    const PacketId next = take(port, id, queue);
    Packet& record = kernel().packets[next];
    q.tx_bytes += record.bytes;
    q.tx_frames += record.frames();
    if (!port.is_endpoint) switches().mark_leaving(port, id, queue, q, record);
    train.append(record);
    kernel().free_packet(next);
  }
}

PacketId Ports::take(Port& port, PortId id, unsigned queue) {
  Queue& q = queues_[id * priorities + queue];
  kernel().audit.touch(id, queue);
  const PacketId packet = q.head;
  const Packet& record = kernel().packets[packet];
  q.head = record.next;
  if (q.head == none) {
    port.active = static_cast<std::uint8_t>(port.active & ~(1U << queue));
  } else {
    __builtin_prefetch(&kernel().packets[q.head]);
  }
  q.bytes -= record.bytes;
  if (!port.is_endpoint) switches().leave(port, id, q, record);
  return packet;
}

void Ports::drop_at_queue(PortId port, unsigned queue, const Packet& packet, DropReason reason) {
  Losses& lost = queue_losses_[port * priorities + queue];
  lost.frames += packet.frames();
  lost.bytes += packet.bytes;
  if (reason == DropReason::wred) {
    lost.wred_frames += packet.frames();
    lost.wred_bytes += packet.bytes;
  }
  if (watchdogs().is_on()) watchdogs().count_dropped(port, queue, packet.frames());
  kernel().drop(port, packet, reason);
}

// Drops what the queue holds.
void Ports::drop_all(PortId id, unsigned queue, DropReason reason) {
  Port& port = ports_[id];
  while ((port.active >> queue & 1U) != 0) {
    const PacketId packet = take(port, id, queue);
    drop_at_queue(id, queue, kernel().packets[packet], reason);
    kernel().free_packet(packet);
  }
}

// Strict queues first, highest number first; the others by deficit round robin.
// SOURCE: M. Shreedhar, G. Varghese, "Efficient fair queuing using deficit round robin", SIGCOMM 1995.
unsigned Ports::pick_queue(Port& port, PortId id, unsigned ready) {
  if (const unsigned strict = ready & port.strict) return static_cast<unsigned>(std::bit_width(strict)) - 1;
  if ((ready & (ready - 1)) == 0) return static_cast<unsigned>(std::countr_zero(ready));
  for (;;) {
    Queue& q = queues_[id * priorities + port.round];
    if ((ready >> port.round & 1U) != 0) {
      const std::int64_t bytes = kernel().packets[q.head].bytes;
      if (q.deficit >= bytes) {
        q.deficit -= bytes;
        return port.round;
      }
    } else {
      q.deficit = 0;
    }
    port.round = (port.round + 1U) % priorities;
    Queue& next = queues_[id * priorities + port.round];
    if ((ready >> port.round & 1U) != 0) next.deficit += next.quantum;
  }
}

}  // namespace raddle
