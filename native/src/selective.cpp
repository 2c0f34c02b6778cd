// Selective repeat: a receiver keeps what arrives behind a gap and says of each such packet that it is there; the
// sender sends again what was lost before it, and nothing else.
// SOURCE: R. Mittal et al., "Revisiting network support for RDMA" (IRN), SIGCOMM 2018, section 3.1. A NAK carries the
// PSN of the packet that arrived. What is missing below it is lost, as a fabric keeps the order of a queue pair's
// packets; where it does not, `reorder` packets must have overtaken one before it counts as lost (the threshold that
// RFC 5681 and RFC 9002, 6.1.1, have for it). What is lost again waits for the timeout.

#include <algorithm>

#include "raddle/partition.hpp"

namespace raddle {

bool Partition::has_lost(QpId qp) {
  std::deque<std::uint64_t>& lost = selective_senders_[qp].lost;
  while (!lost.empty() && lost.front() < senders_[qp].una_psn) lost.pop_front();
  return !lost.empty();
}

// The next packet to send again, and its payload. Precondition: has_lost.
std::uint64_t Partition::take_lost(QpId qp, std::int64_t& payload) {
  SelectiveSender& selective = selective_senders_[qp];
  const Sender& sender = senders_[qp];
  const std::uint64_t psn = selective.lost.front();
  selective.lost.pop_front();
  ++qp_results_.retransmitted[qp];
  std::uint32_t number = sender.acked;
  std::uint64_t end = sender.acked_end;
  while (psn >= end) end += packets_of(qp_flows_[qp_flow_offsets_[qp] + ++number]);
  if (psn + 1 == end) {
    const FlowId flow = qp_flows_[qp_flow_offsets_[qp] + number];
    payload = work_.flow_bytes[flow] - static_cast<std::int64_t>(packets_of(flow) - 1) * network_.nic.mtu;
  }
  return psn;
}

void Partition::receive_selective(Packet& packet, bool is_marked) {
  const QpId qp = packet.qp;
  Receiver& receiver = receivers_[qp];
  std::deque<bool>& arrived = selective_receivers_[qp].arrived;
  const std::int32_t distance = psn_distance(packet.psn, receiver.expected_psn);
  if (distance < 0) {
    ++injected_;
    return reply(packet, PacketKind::ack, receiver.expected_psn);
  }
  const auto place = static_cast<std::size_t>(distance);
  if (arrived.size() <= place) arrived.resize(place + 1, false);
  arrived[place] = true;
  if (distance > 0) {
    ++injected_;
    return reply(packet, PacketKind::nak, receiver.expected_psn + place);
  }
  bool is_urgent = arrived.size() > 1;  // a gap is filled
  std::uint32_t ended = 0;
  std::uint64_t end = receiver.cursor_end;
  std::uint32_t cursor = receiver.cursor;
  while (!arrived.empty() && arrived.front()) {
    arrived.pop_front();
    if (++receiver.expected_psn != end) continue;
    ++ended;
    const std::uint32_t next = qp_flow_offsets_[qp] + ++cursor;
    if (next < qp_flow_offsets_[qp + 1]) end += packets_of(qp_flows_[next]);
  }
  acknowledge(packet, is_marked, is_urgent || ended > 0);
  for (; ended > 0; --ended) end_message(qp);
}

// The packet `psn` has arrived: what is missing `reorder` packets below it and was not sent again yet is lost.
void Partition::judge_lost(QpId qp, std::uint64_t psn) {
  SelectiveSender& selective = selective_senders_[qp];
  const Sender& sender = senders_[qp];
  const auto place = static_cast<std::size_t>(psn - sender.una_psn);
  if (selective.arrived.size() <= place) selective.arrived.resize(place + 1, false);
  selective.arrived[place] = true;
  const std::uint64_t end = psn - std::min<std::uint64_t>(psn, network_.nic.reorder);
  for (std::uint64_t p = std::max(sender.una_psn, selective.judged_psn); p < end; ++p) {
    if (!selective.arrived[static_cast<std::size_t>(p - sender.una_psn)]) selective.lost.push_back(p);
  }
  selective.judged_psn = std::max(selective.judged_psn, end);
  if (selective.lost.empty()) return;
  join_round(qp);
  kick(sender.port);
}

void Partition::forget_acknowledged(QpId qp, std::uint64_t count) {
  std::deque<bool>& arrived = selective_senders_[qp].arrived;
  const auto known = static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(count, arrived.size()));
  arrived.erase(arrived.begin(), arrived.begin() + known);
}

// A timeout: everything that is under way and not known to have arrived is lost.
void Partition::resend_all(QpId qp) {
  SelectiveSender& selective = selective_senders_[qp];
  const Sender& sender = senders_[qp];
  selective.lost.clear();
  for (std::uint64_t p = sender.una_psn; p < sender.next_psn; ++p) {
    const auto place = static_cast<std::size_t>(p - sender.una_psn);
    if (place >= selective.arrived.size() || !selective.arrived[place]) selective.lost.push_back(p);
  }
  selective.judged_psn = sender.next_psn;
  if (selective.lost.empty()) return;
  join_round(qp);
  kick(sender.port);
}

}  // namespace raddle
