// Queue pairs of reliable connections: packets, acknowledgements, CNPs, timeouts.
// SOURCE: InfiniBand Architecture Specification vol. 1, 9.7 (reliable service); DCQCN (SIGCOMM 2015).

#include <algorithm>

#include "raddle/partition.hpp"

namespace raddle {

Transport::Transport(Tables& tables)
    : network_(tables.network), work_(tables.work), qp_flow_offsets_(tables.qp_flow_offsets.data()),
      qp_flows_(tables.qp_flows.data()), ports_(tables.ports.data()), queues_(tables.queues.data()),
      round_(tables.round.data()), senders_(tables.senders.data()), receivers_(tables.receivers.data()),
      qp_results_(tables.qp_results), hears_marks_(RateControls::hears_marks[network_.nic.rate_control.index()]) {}

std::uint64_t Transport::packets_of(FlowId flow) const {
  return raddle::packets_of(work_.flow_bytes[flow], network_.nic.mtu);
}

// Hands the queue pair's next flows to its NIC, in order, as far as they are ready.
void Transport::post(QpId qp) {
  Sender& sender = senders_[qp];
  if (sender.port == none) return flows().post_inside(qp);
  const std::uint32_t first = qp_flow_offsets_[qp];
  const std::uint32_t count = qp_flow_offsets_[qp + 1] - first;
  const std::uint32_t most = network_.nic.messages == 0 ? count : std::min(count, sender.acked + network_.nic.messages);
  if (sender.has_failed) return;
  while (sender.posted < most && flows().is_ready(qp_flows_[first + sender.posted])) {
    const FlowId flow = qp_flows_[first + sender.posted++];
    flows().begin(flow);
    sender.posted_end += packets_of(flow);
  }
  refresh_limit(sender);
  if (sender.next_psn < sender.limit_psn) resume(qp);
}

// A queue pair has at most 2^23 - 1 packets under way, so that PSNs of 24 bits tell old from new.
// SOURCE: InfiniBand vol. 1, 9.7.2 (valid and duplicate regions are half of the PSNs each).
std::uint64_t limit_psn(const NicConfig& nic, std::uint64_t posted_end, std::uint64_t una_psn) {
  std::uint64_t window = (1U << 23) - 1;
  if (nic.window > 0) window = std::min(window, static_cast<std::uint64_t>(std::max<std::int64_t>(nic.window / nic.mtu, 1)));
  return std::min(posted_end, una_psn + window);
}

void Transport::refresh_limit(Sender& sender) {
  sender.limit_psn = limit_psn(network_.nic, sender.posted_end, sender.una_psn);
}

void Transport::join_round(QpId qp) {
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

// Until when the rate, as it will change by itself, holds the next packet back.
template <typename Rate>
void Transport::pace(Sender& sender, const Rate& rate, const typename Rate::Parameters& parameters) const {
  const auto line_rate = static_cast<double>(ports_[sender.port].speed);
  sender.next_time = rate.due(parameters, line_rate, sender.last_start, sender.last_bytes, network_.nic.clock,
                              network_.nic.retimes);
}

// Asks the loss recovery in force. The row is found by one comparison, where the question is.
template <typename Act>
[[gnu::always_inline]] inline auto Transport::recover(Act&& act) {
  return loss_recoveries().with(network_.nic.loss_recovery, act);
}

// How many full frames go as one train: of one message, as far as window and turn let them. Where a rate holds the queue
// pair back, its share of the line, so that what follows at once takes no longer to be let go than a whole train does.
[[gnu::noinline]] std::uint32_t Transport::frames_of_train(Sender& sender, QpId qp, double line_rate) const {
  const NicConfig& nic = network_.nic;
  const FlowId flow = qp_flows_[qp_flow_offsets_[qp] + sender.cursor];
  const bool has_short = work_.flow_bytes[flow] % nic.mtu != 0;
  const std::uint64_t left = sender.cursor_end - has_short - sender.next_psn;
  const std::uint64_t sent = packets_of(flow) - has_short - left;
  std::uint64_t most = std::min<std::uint64_t>({nic.train, left, 1 + sent / 4, 1 + left / 4});
  most = std::min(most, sender.limit_psn - sender.next_psn);
  if (nic.burst > 1) most = std::min<std::uint64_t>(most, nic.burst - sender.burst);
  const std::int64_t wire_bytes = nic.mtu + nic.header_bytes + nic.gap_bytes;
  RateControls::with(sender.rate, nic.rate_control, [&](const auto& rate, const auto& parameters) {
    if (!rate.is_active()) return;
    const Time apart = rate.due(parameters, line_rate, 0, wire_bytes, 1, false);
    const Time frame = wire_time(wire_bytes, ports_[sender.port].speed);
    most = std::min(most, static_cast<std::uint64_t>(std::max<Time>(nic.train * frame / std::max(apart, frame), 1)));
  });
  return static_cast<std::uint32_t>(most);
}

bool Transport::send_data(Port& port, PortId id, unsigned priority) {
  if (reception().has_buses() && reception().is_held_by_bus(id)) return false;
  std::uint32_t& last = round_[id * priorities + priority];
  Time earliest = never;
  std::uint32_t before = last;
  const double line_rate = static_cast<double>(port.speed);
  for (bool is_last = false; !is_last;) {
    const QpId qp = senders_[before].round_next;
    Sender& sender = senders_[qp];
    is_last = qp == last;
    const auto has_lost = [qp](auto& recovery) { return recovery.has_lost(qp); };
    if (sender.next_psn >= sender.limit_psn && !recover(has_lost)) {
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
    if (sender.next_time > now()) {
      earliest = std::min(earliest, sender.next_time);
      continue;
    }
    std::uint32_t frames = 1;
    std::int64_t payload = network_.nic.mtu;
    std::uint64_t psn = sender.next_psn;
    if (recover(has_lost)) {
      psn = recover([&](auto& recovery) { return recovery.take_lost(qp, payload); });
    } else {
      while (psn >= sender.cursor_end) {
        sender.cursor_end += packets_of(qp_flows_[qp_flow_offsets_[qp] + ++sender.cursor]);
      }
      if (psn + 1 == sender.cursor_end) {
        const FlowId flow = qp_flows_[qp_flow_offsets_[qp] + sender.cursor];
        payload = work_.flow_bytes[flow] - static_cast<std::int64_t>(packets_of(flow) - 1) * payload;
      }
      if (network_.nic.train > 1 && payload == network_.nic.mtu) frames = frames_of_train(sender, qp, line_rate);
      if (sender.una_psn == psn) sender.last_progress = now();
      recover([&](auto& recovery) { recovery.on_sent(qp, psn); });
      if (psn < sender.sent_end) {
        qp_results_.retransmitted[qp] += std::min<std::uint64_t>(frames, sender.sent_end - psn);
      }
      sender.sent_end = std::max(sender.sent_end, psn + frames);
      sender.next_psn += frames;
    }
    last = qp;
    if (network_.nic.burst > 1) {
      sender.burst = (sender.burst + frames) % network_.nic.burst;
      if (sender.burst != 0) last = previous;  // its turn again
    }
    kernel().injected += frames;
    const std::int64_t bytes = frames * (payload + network_.nic.header_bytes);
    Packet packet = {.arrival = 0, .spread = 0, .qp = qp, .dst = sender.dst, .hash = sender.hash, .psn = 0,
                     .bytes = static_cast<std::uint16_t>(payload + network_.nic.header_bytes), .dscp_ce = sender.dscp, .ttl = initial_ttl};
    packet.set_psn(PacketKind::data, psn);
    if (frames > 1) packet.repeat(frames);
    if (psn + frames == sender.limit_psn) packet.dscp_ce |= Packet::ack_request;  // nothing follows before its answer
    queues_[id * priorities + priority].tx_bytes += bytes;
    queues_[id * priorities + priority].tx_frames += frames;
    kernel().audit.made(id, bytes);
    ports().send_frame(port, id, packet);
    if (reception().has_buses()) reception().load_bus(id, frames * payload);
    sender.last_start = now();
    sender.last_bytes = static_cast<std::uint32_t>(bytes + frames * network_.nic.gap_bytes);
    RateControls::with(sender.rate, network_.nic.rate_control, [&](auto& rate, const auto& parameters) {
      if (!rate.is_active()) return;
      rate.advance(parameters, line_rate, now());
      rate.on_sent(parameters, line_rate, sender.last_bytes);
      pace(sender, rate, parameters);
    });
    if (!sender.timer_set) {
      sender.timer_set = true;
      kernel().schedule(id, now() + network_.nic.retransmit_timeout, EventKind::retransmit, qp, 0);
    }
    return true;
  }
  if (earliest != never) kernel().events.set_wake(id, earliest);
  return false;
}

void Transport::receive_data(Packet& packet) {
  const QpId qp = packet.qp;
  Receiver& receiver = receivers_[qp];
  const bool is_marked = packet.is_ce() && hears_marks_;
  if (is_marked && !network_.nic.acks_carry_cnp && now() >= receiver.next_cnp) {
    receiver.next_cnp = now() + network_.nic.cnp_interval;
    Packet cnp = packet;
    ++kernel().injected;
    reply(cnp, PacketKind::cnp, receiver.expected_psn);
  }
  recover([&](auto& recovery) { recovery.receive(packet, is_marked); });
}

void Transport::acknowledge(Packet& packet, bool is_marked, bool is_urgent) {
  Receiver& receiver = receivers_[packet.qp];
  std::uint32_t count = 1;
  if (packet.is_train()) {  // as many as its frames would have caused
    const std::uint32_t unacked = receiver.unacked + packet.frames();
    count = unacked / network_.nic.ack_interval;
    receiver.unacked = unacked % network_.nic.ack_interval;
    if (is_urgent && receiver.unacked > 0) ++count;
    if (count == 0) return;
    if (is_urgent) receiver.unacked = 0;
  } else {
    if (++receiver.unacked < network_.nic.ack_interval && !is_urgent) return;
    receiver.unacked = 0;
  }
  kernel().injected += count;
  const bool tells = is_marked && network_.nic.acks_carry_cnp;
  reply(packet, tells ? PacketKind::ack_and_cnp : PacketKind::ack, receiver.expected_psn, 0, count);
}

void Transport::end_message(QpId qp) {
  Receiver& receiver = receivers_[qp];
  const FlowId flow = qp_flows_[qp_flow_offsets_[qp] + receiver.cursor++];
  if (qp_flow_offsets_[qp] + receiver.cursor < qp_flow_offsets_[qp + 1]) {
    receiver.cursor_end += packets_of(qp_flows_[qp_flow_offsets_[qp] + receiver.cursor]);
  }
  if (reception().has_buses() && reception().lands_later(receiver.port, flow)) return;
  flows().arrive(flow);
}

void Transport::reply(Packet& packet, PacketKind kind, std::uint64_t psn, std::uint32_t ahead,
                      std::uint32_t frames) {
  const Receiver& receiver = receivers_[packet.qp];
  const NicConfig& nic = network_.nic;
  const bool is_cnp = kind == PacketKind::cnp;
  packet.set_psn(kind, psn);
  packet.dst = receiver.dst;
  packet.hash = ahead > 0 ? ahead : receiver.hash;
  packet.bytes = static_cast<std::uint16_t>(is_cnp ? nic.cnp_bytes : nic.ack_bytes);
  packet.dscp_ce = is_cnp ? nic.cnp_dscp : receiver.dscp;
  packet.ttl = initial_ttl;
  if (frames > 1) {
    packet.repeat(frames);
    packet.spread = 0;
  }
  kernel().audit.made(receiver.port, packet.bytes);
  const unsigned queue = is_cnp ? nic.cnp_priority : receiver.priority;
  nics().answer(receiver.port, queue, packet);
}

// So many packets more are acknowledged.
[[gnu::always_inline]] inline void Transport::take_progress(QpId qp, std::uint32_t progress) {
  Sender& sender = senders_[qp];
  recover([&](auto& recovery) { recovery.on_acknowledged(qp, progress); });
  sender.una_psn += progress;
  sender.next_psn = std::max(sender.next_psn, sender.una_psn);
  recover([&](auto& recovery) { recovery.on_progress(qp); });
  sender.last_progress = now();
  sender.retries = 0;
  const std::uint32_t first = qp_flow_offsets_[qp];
  while (sender.acked < sender.posted && sender.una_psn >= sender.acked_end) {
    const FlowId flow = qp_flows_[first + sender.acked++];
    if (first + sender.acked < qp_flow_offsets_[qp + 1]) sender.acked_end += packets_of(qp_flows_[first + sender.acked]);
    flows().end(flow);
  }
}

void Transport::receive_answer(const Packet& packet) {
  Sender& sender = senders_[packet.qp];
  if (sender.has_failed) return;
  if (packet.kind() >= PacketKind::cnp) {
    ++qp_results_.cnps[packet.qp];
    const auto line_rate = static_cast<double>(ports_[sender.port].speed);
    RateControls::with(sender.rate, network_.nic.rate_control, [&](auto& rate, const auto& parameters) {
      rate.advance(parameters, line_rate, now());
      rate.on_cnp(parameters, now());
      if (network_.nic.retimes) pace(sender, rate, parameters);
    });
    if (packet.kind() == PacketKind::cnp) return;
  }
  if (packet.kind() == PacketKind::nak) [[unlikely]] return receive_nak(packet);
  const std::int32_t progress = psn_distance(packet.psn, sender.una_psn);
  if (progress <= 0) return;
  take_progress(packet.qp, static_cast<std::uint32_t>(progress));
  go_on(packet.qp);
}

[[gnu::noinline, gnu::cold]] void Transport::receive_nak(const Packet& packet) {
  recover([&](auto& recovery) {
    const std::int32_t progress = psn_distance(recovery.acknowledged_by(packet), senders_[packet.qp].una_psn);
    if (progress > 0) take_progress(packet.qp, static_cast<std::uint32_t>(progress));
    recovery.on_nak(packet, progress);
    if (progress > 0) go_on(packet.qp);
  });
}

// What waited for acknowledgements may be sent.
void Transport::go_on(QpId qp) {
  Sender& sender = senders_[qp];
  if (network_.nic.messages > 0) post(qp);
  if (sender.limit_psn >= sender.posted_end || sender.has_failed) return;
  refresh_limit(sender);
  if (sender.next_psn < sender.limit_psn) resume(qp);
}

void Transport::resume(QpId qp) {
  join_round(qp);
  ports().kick(senders_[qp].port);
}

void Transport::retransmit_timer(QpId qp) {
  Sender& sender = senders_[qp];
  sender.timer_set = false;
  if (sender.has_failed || sender.una_psn == sender.next_psn) return;
  const Time deadline = sender.last_progress + network_.nic.retransmit_timeout;
  if (deadline <= now()) {
    ++qp_results_.timeouts[qp];
    if (sender.retries++ == network_.nic.retry_count) return fail(qp);
    sender.last_progress = now();
  }
  sender.timer_set = true;
  kernel().schedule(sender.port, sender.last_progress + network_.nic.retransmit_timeout,
           EventKind::retransmit, qp, 0);
  if (deadline > now()) return;
  recover([&](auto& recovery) { recovery.on_timeout(qp); });
}

// Those that have something to send leave the circles of the one port and join those of the port where they are then.
void Transport::move_queue_pairs(PortId from, PortId to, NodeId home) {
  std::vector<QpId> waiting;
  for (QpId qp = 0; qp < work_.qp_src.size(); ++qp) {
    if (work_.qp_src[qp] == none) continue;
    Receiver& receiver = receivers_[qp];
    if (receiver.port == from && (home == none || work_.qp_dst[qp] == home)) receiver.port = to;
    Sender& sender = senders_[qp];
    if (sender.port != from) continue;
    if (sender.in_round) waiting.push_back(qp);
    sender.in_round = false;
    if (home == none || work_.qp_src[qp] == home) sender.port = to;
  }
  std::fill_n(round_ + from * priorities, priorities, none);
  ports_[from].has_data = 0;
  for (const QpId qp : waiting) resume(qp);
}

// Retries are used up: the queue pair goes to the error state, and its flows never end nor begin.
void Transport::fail(QpId qp) {
  Sender& sender = senders_[qp];
  sender.has_failed = true;
  sender.limit_psn = sender.next_psn;
  recover([qp](auto& recovery) { recovery.on_failure(qp); });
  for (; sender.acked < sender.posted; ++sender.acked) {
    flows().give_up(qp_flows_[qp_flow_offsets_[qp] + sender.acked]);
    --flows().open;
    flows().last_end = now();
  }
  for (std::uint32_t i = qp_flow_offsets_[qp] + sender.posted; i < qp_flow_offsets_[qp + 1]; ++i) {
    flows().give_up(qp_flows_[i]);
  }
}

}  // namespace raddle
