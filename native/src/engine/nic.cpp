// RDMA NICs: reliable-connection queue pairs with go-back-N, acknowledgements, CNPs and DCQCN.
// SOURCE: InfiniBand Architecture Specification vol. 1, 9.7 (reliable service); DCQCN (SIGCOMM 2015).

#include <algorithm>
#include <bit>

#include "raddle/partition.hpp"

namespace raddle {

std::uint64_t Partition::packets_of(FlowId flow) const {
  return raddle::packets_of(work_.flow_bytes[flow], network_.nic.mtu);
}

void Partition::make_ready(FlowId flow) {
  if (--waits_[flow] == 0) post(work_.flow_qp[flow]);
}

// One of the flows that this one waits for is done: after the last one, its sender takes a delay to go on.
void Partition::prepare(FlowId flow) {
  const Time delay = work_.flow_delay.empty() ? 0 : work_.flow_delay[flow];
  const Time start = std::max(now_ + delay, work_.flow_start[flow]);
  if (waits_[flow] > 1 || start == now_) return make_ready(flow);
  ++open_flows_;
  schedule(tables_.first_place(work_.flow_qp[flow]), start, EventKind::start, flow, 0);
}

// Hands the queue pair's next flows to its NIC, in order, as far as they are ready.
void Partition::post(QpId qp) {
  Sender& sender = senders_[qp];
  if (sender.port == none) return post_inside(qp);
  const std::uint32_t first = qp_flow_offsets_[qp];
  const std::uint32_t count = qp_flow_offsets_[qp + 1] - first;
  const std::uint32_t most = network_.nic.messages == 0 ? count : std::min(count, sender.acked + network_.nic.messages);
  if (sender.has_failed) return;
  while (sender.posted < most && waits_[qp_flows_[first + sender.posted]] == 0) {
    const FlowId flow = qp_flows_[first + sender.posted++];
    flow_results_.start[flow] = now_;
    flow_results_.status[flow] = static_cast<std::uint8_t>(FlowStatus::active);
    sender.posted_end += packets_of(flow);
    ++open_flows_;
  }
  refresh_limit(sender);
  if (sender.next_psn < sender.limit_psn) {
    join_round(qp);
    kick(sender.port);
  }
}

// The same to its scale-up domain.
void Partition::post_inside(QpId qp) {
  std::uint32_t& posted = scale_up_.posted(qp);
  for (auto i = qp_flow_offsets_[qp] + posted; i < qp_flow_offsets_[qp + 1] && waits_[qp_flows_[i]] == 0; ++i) {
    flow_results_.start[qp_flows_[i]] = now_;
    flow_results_.status[qp_flows_[i]] = static_cast<std::uint8_t>(FlowStatus::active);
    ++posted;
    ++open_flows_;
  }
  scale_up_.post(qp, now_);
}

// A queue pair has at most 2^23 - 1 packets under way, so that PSNs of 24 bits tell old from new.
// SOURCE: InfiniBand vol. 1, 9.7.2 (valid and duplicate regions are half of the PSNs each).
std::uint64_t limit_psn(const NicConfig& nic, std::uint64_t posted_end, std::uint64_t una_psn) {
  std::uint64_t window = (1U << 23) - 1;
  if (nic.window > 0) window = std::min(window, static_cast<std::uint64_t>(std::max<std::int64_t>(nic.window / nic.mtu, 1)));
  return std::min(posted_end, una_psn + window);
}

void Partition::refresh_limit(Sender& sender) {
  sender.limit_psn = limit_psn(network_.nic, sender.posted_end, sender.una_psn);
}

void Partition::join_round(QpId qp) {
  Sender& sender = senders_[qp];
  if (sender.in_round) return;
  sender.in_round = true;
  std::uint32_t& last = round_[sender.port * priorities + sender.priority];
  if (last == none) {
    sender.round_next = qp;
    Port& port = ports_[sender.port];
    port.has_data = static_cast<std::uint8_t>(port.has_data | 1U << sender.priority);
  } else {
    sender.round_next = senders_[last].round_next;
    senders_[last].round_next = qp;
  }
  last = qp;
}

// Sends one frame of the priority whose turn it is of those that are ready.
bool Partition::send_of_host(Port& port, PortId id, unsigned ready) {
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
[[gnu::always_inline]] inline bool Partition::send_of_priority(Port& port, PortId id, unsigned priority) {
  if ((port.active >> priority & 1U) == 0) return send_data(port, id, priority);
  const PacketId packet = take(port, id, priority);
  Queue& queue = queues_[id * priorities + priority];
  queue.tx_bytes += packets_[packet].bytes;
  ++queue.tx_frames;
  send_frame(port, id, packets_[packet]);
  free_packet(packet);
  return true;
}

// Strict priorities first, the highest first; the others by deficit round robin, which goes into debt for a frame as
// it is not known before which queue pair's it is.
[[gnu::noinline, gnu::cold]] unsigned Partition::pick_class(Port& port, PortId id, unsigned ready) {
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

// Sends one packet of the priority's next sender in turn that its rate does not hold back.
bool Partition::send_data(Port& port, PortId id, unsigned priority) {
  if (!buses_.empty() && is_held_by_bus(id)) return false;
  std::uint32_t& last = round_[id * priorities + priority];
  Time earliest = never;
  std::uint32_t before = last;
  const double line_rate = static_cast<double>(port.speed);
  for (bool is_last = false; !is_last;) {
    const QpId qp = senders_[before].round_next;
    Sender& sender = senders_[qp];
    is_last = qp == last;
    if (sender.next_psn >= sender.limit_psn && !(network_.nic.is_selective && has_lost(qp))) {
      // All sent: leaves the circle.
      sender.in_round = false;
      if (qp == before) {
        last = none;
        port.has_data = static_cast<std::uint8_t>(port.has_data & ~(1U << priority));
        break;
      }
      senders_[before].round_next = sender.round_next;
      if (is_last) last = before;
      continue;
    }
    const QpId previous = before;
    before = qp;
    if (sender.next_time > now_) {
      earliest = std::min(earliest, sender.next_time);
      continue;
    }
    last = qp;
    if (network_.nic.burst > 1) {
      sender.burst = (sender.burst + 1) % network_.nic.burst;
      if (sender.burst != 0) last = previous;  // its turn again
    }
    std::int64_t payload = network_.nic.mtu;
    std::uint64_t psn = sender.next_psn;
    if (network_.nic.is_selective && has_lost(qp)) {
      psn = take_lost(qp, payload);
    } else {
      while (psn >= sender.cursor_end) {
        sender.cursor_end += packets_of(qp_flows_[qp_flow_offsets_[qp] + ++sender.cursor]);
      }
      if (psn + 1 == sender.cursor_end) {
        const FlowId flow = qp_flows_[qp_flow_offsets_[qp] + sender.cursor];
        payload = work_.flow_bytes[flow] - static_cast<std::int64_t>(packets_of(flow) - 1) * payload;
      }
      if (sender.una_psn == psn) sender.last_progress = now_;
      if (network_.nic.is_selective) number_sent(qp, psn);
      if (psn < sender.sent_end) {
        ++qp_results_.retransmitted[qp];
      } else {
        sender.sent_end = psn + 1;
      }
      ++sender.next_psn;
    }
    ++injected_;
    const std::int64_t bytes = payload + network_.nic.header_bytes;
    Packet packet = {.arrival = 0, .next = none, .qp = qp, .dst = sender.dst, .hash = sender.hash, .psn = 0,
                     .bytes = static_cast<std::uint16_t>(bytes), .dscp_ce = sender.dscp, .ttl = initial_ttl};
    packet.set_psn(PacketKind::data, psn);
    if (psn + 1 == sender.limit_psn) packet.dscp_ce |= Packet::ack_request;  // nothing follows before its answer
    queues_[id * priorities + priority].tx_bytes += bytes;
    ++queues_[id * priorities + priority].tx_frames;
    audit_.made(id, bytes);
    send_frame(port, id, packet);
    if (!buses_.empty()) load_bus(id, payload);
    sender.last_start = now_;
    sender.last_bytes = static_cast<std::uint32_t>(bytes + network_.nic.gap_bytes);
    if (sender.dcqcn.is_active()) {
      sender.dcqcn.advance(network_.nic.dcqcn, line_rate, now_);
      sender.dcqcn.on_sent(network_.nic.dcqcn, line_rate, sender.last_bytes);
      pace(sender, line_rate);
    }
    if (!sender.timer_set) {
      sender.timer_set = true;
      schedule(id, now_ + network_.nic.retransmit_timeout, EventKind::retransmit, qp, 0);
    }
    return true;
  }
  if (earliest != never) events_.set_wake(id, earliest);
  return false;
}

// Until when the rate, as it will change by itself, holds the next packet back.
void Partition::pace(Sender& sender, double line_rate) const {
  sender.next_time = sender.dcqcn.due(network_.nic.dcqcn, line_rate, sender.last_start, sender.last_bytes,
                                      network_.nic.clock);
}

void Partition::nic_receive(PortId port, Packet& packet) {
  ++delivered_;
  audit_.delivered(port, packet.bytes);
  if (packet.kind() == PacketKind::data) {
    receive_data(packet);
  } else {
    receive_ack(packet);
  }
}

void Partition::receive_data(Packet& packet) {
  const QpId qp = packet.qp;
  Receiver& receiver = receivers_[qp];
  const bool is_marked = packet.is_ce() && network_.nic.is_dcqcn;
  if (is_marked && !network_.nic.acks_carry_cnp && now_ >= receiver.next_cnp) {
    receiver.next_cnp = now_ + network_.nic.cnp_interval;
    Packet cnp = packet;
    ++injected_;
    reply(cnp, PacketKind::cnp, receiver.expected_psn);
  }
  if (network_.nic.is_selective) return receive_selective(packet, is_marked);
  const std::int32_t distance = psn_distance(packet.psn, receiver.expected_psn);
  if (distance > 0) {  // a gap: one NAK for it, the packet itself is not kept
    if (receiver.nak_sent) return;
    receiver.nak_sent = true;
    ++injected_;
    return reply(packet, PacketKind::nak, receiver.expected_psn);
  }
  if (distance < 0) {  // sent again though it had arrived
    ++injected_;
    return reply(packet, PacketKind::ack, receiver.expected_psn);
  }
  receiver.nak_sent = false;
  ++receiver.expected_psn;
  const bool is_flow_end = receiver.expected_psn == receiver.cursor_end;
  acknowledge(packet, is_marked, is_flow_end || packet.asks_ack());
  if (is_flow_end) end_message(qp);
}

// Acknowledges what has arrived in order, if it is time or urgent.
void Partition::acknowledge(Packet& packet, bool is_marked, bool is_urgent) {
  Receiver& receiver = receivers_[packet.qp];
  if (++receiver.unacked < network_.nic.ack_interval && !is_urgent) return;
  receiver.unacked = 0;
  ++injected_;
  const bool tells = is_marked && network_.nic.acks_carry_cnp;
  reply(packet, tells ? PacketKind::ack_and_cnp : PacketKind::ack, receiver.expected_psn);
}

// The queue pair's first message that was not whole is.
void Partition::end_message(QpId qp) {
  Receiver& receiver = receivers_[qp];
  const FlowId flow = qp_flows_[qp_flow_offsets_[qp] + receiver.cursor++];
  if (qp_flow_offsets_[qp] + receiver.cursor < qp_flow_offsets_[qp + 1]) {
    receiver.cursor_end += packets_of(qp_flows_[qp_flow_offsets_[qp] + receiver.cursor]);
  }
  if (!buses_.empty() && lands_later(receiver.port, flow)) return;
  flow_results_.finish[flow] = now_;
  complete(flow, true);
}

// Turns the packet into the receiver's answer and sends it.
void Partition::reply(Packet& packet, PacketKind kind, std::uint64_t psn, std::uint32_t ahead) {
  const Receiver& receiver = receivers_[packet.qp];
  const NicConfig& nic = network_.nic;
  const bool is_cnp = kind == PacketKind::cnp;
  packet.set_psn(kind, psn);
  packet.dst = receiver.dst;
  packet.hash = ahead > 0 ? ahead : receiver.hash;
  packet.bytes = static_cast<std::uint16_t>(is_cnp ? nic.cnp_bytes : nic.ack_bytes);
  packet.dscp_ce = is_cnp ? nic.cnp_dscp : receiver.dscp;
  packet.ttl = initial_ttl;
  audit_.made(receiver.port, packet.bytes);
  const unsigned queue = is_cnp ? nic.cnp_priority : receiver.priority;
  if (sends_at_once(receiver.port, queue, packet)) return;
  enqueue(receiver.port, queue, packet);
  kick(receiver.port);
}

// Sends an answer through an idle port without queueing it; false where it has to wait.
bool Partition::sends_at_once(PortId id, unsigned queue_index, const Packet& packet) {
  Port& port = ports_[id];
  if (now_ < port.busy_until || port.active != 0 || port.pfc_changed != 0) return false;
  if ((port.paused >> queue_index & 1U) != 0 || !port.is_up || port.peer == none) return false;
  Queue& queue = queues_[id * priorities + queue_index];
  queue.max_bytes = std::max<std::int64_t>(queue.max_bytes, packet.bytes);
  queue.tx_bytes += packet.bytes;
  ++queue.tx_frames;
  send_frame(port, id, packet);
  if (port.has_data != 0) events_.set_wake(id, port.busy_until);
  return true;
}

// So many packets more are acknowledged.
[[gnu::always_inline]] inline void Partition::take_progress(QpId qp, std::uint32_t progress) {
  Sender& sender = senders_[qp];
  if (network_.nic.is_selective) forget_acknowledged(qp, progress);
  sender.una_psn += progress;
  sender.next_psn = std::max(sender.next_psn, sender.una_psn);
  if (network_.nic.is_selective) find_lost(qp);
  sender.last_progress = now_;
  sender.retries = 0;
  const std::uint32_t first = qp_flow_offsets_[qp];
  while (sender.acked < sender.posted && sender.una_psn >= sender.acked_end) {
    const FlowId flow = qp_flows_[first + sender.acked++];
    if (first + sender.acked < qp_flow_offsets_[qp + 1]) sender.acked_end += packets_of(qp_flows_[first + sender.acked]);
    flow_results_.acked[flow] = now_;
    flow_results_.status[flow] = static_cast<std::uint8_t>(FlowStatus::done);
    ++flows_done_;
    --open_flows_;
    last_end_ = now_;
    complete(flow, false);
  }
}

void Partition::receive_ack(const Packet& packet) {
  Sender& sender = senders_[packet.qp];
  if (sender.has_failed) return;
  if (packet.kind() >= PacketKind::cnp) {
    ++qp_results_.cnps[packet.qp];
    const auto line_rate = static_cast<double>(ports_[sender.port].speed);
    sender.dcqcn.advance(network_.nic.dcqcn, line_rate, now_);
    sender.dcqcn.on_cnp(network_.nic.dcqcn, now_);
    pace(sender, line_rate);
    if (packet.kind() == PacketKind::cnp) return;
  }
  if (packet.kind() == PacketKind::nak) [[unlikely]] return receive_nak(packet);
  const std::int32_t progress = psn_distance(packet.psn, sender.una_psn);
  if (progress <= 0) return;
  take_progress(packet.qp, static_cast<std::uint32_t>(progress));
  go_on(packet.qp);
}

// With selective repeat a NAK is of one packet, and acknowledges what has arrived in order before it.
[[gnu::noinline, gnu::cold]] void Partition::receive_nak(const Packet& packet) {
  const Sender& sender = senders_[packet.qp];
  const bool is_selective = network_.nic.is_selective;
  const std::int32_t progress = psn_distance(is_selective ? packet.psn - packet.hash : packet.psn, sender.una_psn);
  if (progress > 0) take_progress(packet.qp, static_cast<std::uint32_t>(progress));
  if (is_selective) {
    const std::int32_t place = psn_distance(packet.psn, sender.una_psn);
    if (place >= 0) note_arrived(packet.qp, sender.una_psn + static_cast<std::uint32_t>(place));
  } else if (progress >= 0) {
    rewind(packet.qp, sender.una_psn);
  }
  if (progress > 0) go_on(packet.qp);
}

// What waited for acknowledgements may be sent.
void Partition::go_on(QpId qp) {
  Sender& sender = senders_[qp];
  if (network_.nic.messages > 0) post(qp);
  if (sender.limit_psn >= sender.posted_end || sender.has_failed) return;
  refresh_limit(sender);
  if (sender.next_psn >= sender.limit_psn) return;
  join_round(qp);
  kick(sender.port);
}

// Go-back-N: everything from `psn` on is sent again.
void Partition::rewind(QpId qp, std::uint64_t psn) {
  Sender& sender = senders_[qp];
  sender.next_psn = psn;
  const std::uint32_t first = qp_flow_offsets_[qp];
  while (psn < sender.cursor_end - packets_of(qp_flows_[first + sender.cursor])) {
    sender.cursor_end -= packets_of(qp_flows_[first + sender.cursor--]);
  }
  if (sender.next_psn < sender.limit_psn) {
    join_round(qp);
    kick(sender.port);
  }
}

void Partition::retransmit_timer(QpId qp) {
  Sender& sender = senders_[qp];
  sender.timer_set = false;
  if (sender.has_failed || sender.una_psn == sender.next_psn) return;
  const Time deadline = sender.last_progress + network_.nic.retransmit_timeout;
  if (deadline <= now_) {
    ++qp_results_.timeouts[qp];
    if (sender.retries++ == network_.nic.retry_count) return fail(qp);
    sender.last_progress = now_;
  }
  sender.timer_set = true;
  schedule(sender.port, sender.last_progress + network_.nic.retransmit_timeout,
           EventKind::retransmit, qp, 0);
  if (deadline > now_) return;
  if (network_.nic.is_selective) {
    resend_all(qp);
  } else {
    rewind(qp, sender.una_psn);
  }
}

// Retries are used up: the queue pair goes to the error state, and its flows never end nor begin.
void Partition::fail(QpId qp) {
  Sender& sender = senders_[qp];
  sender.has_failed = true;
  sender.limit_psn = sender.next_psn;
  for (; sender.acked < sender.posted; ++sender.acked) {
    const FlowId flow = qp_flows_[qp_flow_offsets_[qp] + sender.acked];
    flow_results_.status[flow] = static_cast<std::uint8_t>(FlowStatus::failed);
    --open_flows_;
    last_end_ = now_;
  }
  for (std::uint32_t i = qp_flow_offsets_[qp] + sender.posted; i < qp_flow_offsets_[qp + 1]; ++i) {
    flow_results_.status[qp_flows_[i]] = static_cast<std::uint8_t>(FlowStatus::failed);
  }
}

// Starts what waited for this flow: at its receiver when it has arrived, at its sender when acknowledged.
void Partition::complete(FlowId flow, bool at_receiver) {
  for (auto i = dependent_offsets_[flow]; i < dependent_offsets_[flow + 1]; ++i) {
    const FlowId dependent = dependents_[static_cast<std::size_t>(i)];
    if (tables_.starts_at_receiver(flow, dependent) == at_receiver) prepare(dependent);
  }
}

}  // namespace raddle
