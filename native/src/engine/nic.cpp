// RDMA NICs: which frame a host's port sends next, and what it does with those that arrive.

#include <algorithm>
#include <bit>

#include "raddle/partition.hpp"

namespace raddle {

Nics::Nics(Tables& tables)
    : ports_(tables.ports.data()), queues_(tables.queues.data()), train_(tables.network.nic.train) {}

bool Nics::send(Port& port, PortId id, unsigned ready) {
  while ((ready & (ready - 1)) != 0) [[unlikely]] {
    const unsigned priority = pick_class(port, id, ready);
    Queue& queue = queues_[id * priorities + priority];
    const std::int64_t before = queue.tx_bytes;
    if (send_of_priority(port, id, priority)) {
      queue.deficit -= queue.tx_bytes - before;
      return true;
    }
    ready &= ~(1U << priority);
  }
  return send_of_priority(port, id, static_cast<unsigned>(std::countr_zero(ready)));
}

// An answer before data.
[[gnu::always_inline]] inline bool Nics::send_of_priority(Port& port, PortId id, unsigned priority) {
  if ((port.active >> priority & 1U) == 0) return transport().send_data(port, id, priority);
  const PacketId packet = ports().take(port, id, priority);
  Queue& queue = queues_[id * priorities + priority];
  Packet& record = kernel().packets[packet];
  queue.tx_bytes += record.bytes;
  queue.tx_frames += record.frames();
  if (train_ > 1) ports().form_train(port, id, priority, record);
  ports().send_frame(port, id, record);
  kernel().free_packet(packet);
  return true;
}

// Strict priorities first, the highest first; the others by deficit round robin, which goes into debt for a frame as
// it is not known before which queue pair's it is.
[[gnu::noinline, gnu::cold]] unsigned Nics::pick_class(Port& port, PortId id, unsigned ready) {
  if (const unsigned strict = ready & port.strict) return static_cast<unsigned>(std::bit_width(strict)) - 1;
  for (;;) {
    Queue& queue = queues_[id * priorities + port.round];
    if ((ready >> port.round & 1U) == 0) {
      queue.deficit = 0;
    } else if (queue.deficit > 0) {
      return port.round;
    }
    port.round = (port.round + 1U) % priorities;
    Queue& next = queues_[id * priorities + port.round];
    if ((ready >> port.round & 1U) != 0) next.deficit += next.quantum;
  }
}

void Nics::receive(PortId port, Packet& packet) {
  kernel().delivered += packet.frames();
  kernel().audit.delivered(port, packet.bytes);
  if (packet.kind() == PacketKind::data) {
    transport().receive_data(packet);
  } else {
    transport().receive_answer(packet);
  }
}

void Nics::answer(PortId id, unsigned queue, Packet& packet) {
  if (sends_at_once(id, queue, packet)) return;
  ports().enqueue(id, queue, packet);
  ports().kick(id);
}

// Sends an answer through an idle port without queueing it; false where it has to wait.
bool Nics::sends_at_once(PortId id, unsigned queue_index, Packet& packet) {
  Port& port = ports_[id];
  if (now() < port.busy_until && (train_ == 1 || ports().rest_of_train(port, id) == 0)) return false;
  if (port.active != 0 || port.pfc_changed != 0) return false;
  if ((port.paused >> queue_index & 1U) != 0 || !port.is_up || port.peer == none) return false;
  Queue& queue = queues_[id * priorities + queue_index];
  queue.max_bytes = std::max<std::int64_t>(queue.max_bytes, packet.bytes);
  queue.tx_bytes += packet.bytes;
  queue.tx_frames += packet.frames();
  ports().send_frame(port, id, packet);
  if (port.has_data != 0) kernel().events.set_wake(id, port.busy_until);
  return true;
}

}  // namespace raddle
