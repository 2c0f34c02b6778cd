// Selective repeat: a receiver keeps what arrives behind a gap and says of each such packet that it is there; the
// sender sends again what was lost before it, and nothing else.
// SOURCE: R. Mittal et al., "Revisiting network support for RDMA" (IRN), SIGCOMM 2018, section 3.1. A NAK carries the
// PSN of the packet that arrived, and acknowledges what has arrived in order. What was sent before the packet and has
// not arrived is lost, as a fabric keeps the order of a queue pair's packets; where it does not, `reorder` packets must have overtaken one before it counts as lost (the
// threshold that RFC 5681 and RFC 9002, 6.1.1, have for it). Before means before in time, not in PSN: every transmission
// has a number, so that one sent again and lost again is found by what was sent behind it (RFC 9002, 6.1).
// Only a loss with nothing sent behind it waits for the timeout.

#include <algorithm>

#include "raddle/partition.hpp"

namespace raddle {

SelectiveRepeat::SelectiveRepeat(Tables& tables)
    : network_(tables.network), work_(tables.work), qp_flow_offsets_(tables.qp_flow_offsets.data()),
      qp_flows_(tables.qp_flows.data()), senders_(tables.senders.data()), receivers_(tables.receivers.data()),
      selective_senders_(tables.selective_senders), selective_receivers_(tables.selective_receivers),
      qp_results_(tables.qp_results) {}

bool SelectiveRepeat::has_lost(QpId qp) {
  std::deque<std::uint64_t>& lost = selective_senders_[qp].lost;
  const std::deque<SelectiveSender::Flight>& flights = selective_senders_[qp].flights;
  const std::uint64_t una = senders_[qp].una_psn;
  while (!lost.empty() && (lost.front() < una || flights[lost.front() - una].has_arrived)) lost.pop_front();
  return !lost.empty();
}

// The packet `psn` goes out, for the first time or again.
void SelectiveRepeat::on_sent(QpId qp, std::uint64_t psn) {
  SelectiveSender& selective = selective_senders_[qp];
  const std::size_t place = psn - senders_[qp].una_psn;
  const bool is_resent = place < selective.flights.size();
  if (!is_resent) selective.flights.emplace_back();
  SelectiveSender::Flight& flight = selective.flights[place];
  flight.number = ++selective.count;
  flight.is_resent = is_resent;
  flight.sent_at = now();
  selective.sent.push_back({psn, flight.number});
}

// The next packet to send again, and its payload. Precondition: has_lost.
std::uint64_t SelectiveRepeat::take_lost(QpId qp, std::int64_t& payload) {
  SelectiveSender& selective = selective_senders_[qp];
  const Sender& sender = senders_[qp];
  const std::uint64_t psn = selective.lost.front();
  selective.lost.pop_front();
  ++qp_results_.retransmitted[qp];
  on_sent(qp, psn);
  std::uint32_t number = sender.acked;
  std::uint64_t end = sender.acked_end;
  while (psn >= end) end += transport().packets_of(qp_flows_[qp_flow_offsets_[qp] + ++number]);
  if (psn + 1 == end) {
    const FlowId flow = qp_flows_[qp_flow_offsets_[qp] + number];
    payload = work_.flow_bytes[flow] - static_cast<std::int64_t>(transport().packets_of(flow) - 1) * network_.nic.mtu;
  }
  return psn;
}

void SelectiveRepeat::receive(Packet& packet, bool is_marked) {
  const QpId qp = packet.qp;
  Receiver& receiver = receivers_[qp];
  std::deque<bool>& arrived = selective_receivers_[qp].arrived;
  const std::int32_t distance = psn_distance(packet.psn, receiver.expected_psn);
  if (distance < 0) {
    ++kernel().injected;
    return transport().reply(packet, PacketKind::ack, receiver.expected_psn);
  }
  const auto place = static_cast<std::size_t>(distance);
  if (arrived.size() <= place) arrived.resize(place + 1, false);
  arrived[place] = true;
  if (distance > 0) {
    ++kernel().injected;
    receiver.unacked = 0;  // it acknowledges what is there in order too
    return transport().reply(packet, PacketKind::nak, receiver.expected_psn + place, static_cast<std::uint32_t>(place));
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
    if (next < qp_flow_offsets_[qp + 1]) end += transport().packets_of(qp_flows_[next]);
  }
  transport().acknowledge(packet, is_marked, is_urgent || ended > 0 || packet.asks_ack());
  for (; ended > 0; --ended) transport().end_message(qp);
}

// The NAK is of one packet that has arrived, and others below it have not.
void SelectiveRepeat::on_nak(const Packet& nak, std::int32_t) {
  const std::int32_t place = psn_distance(nak.psn, senders_[nak.qp].una_psn);
  if (place < 0) return;
  SelectiveSender& selective = selective_senders_[nak.qp];
  SelectiveSender::Flight& flight = selective.flights[static_cast<std::size_t>(place)];
  flight.has_arrived = true;
  advance_newest(selective, flight);
  find_lost(nak.qp);
}

// There is news that the packet has arrived. It is of its last transmission, unless that was sent so late that the news
// is of one before (RFC 8985, 6.2, step 2).
void SelectiveRepeat::advance_newest(SelectiveSender& selective, const SelectiveSender::Flight& flight) const {
  const Time trip = now() - flight.sent_at;
  if (!flight.is_resent) selective.shortest_trip = std::min(selective.shortest_trip, trip);
  if (trip >= selective.shortest_trip) selective.newest = std::max(selective.newest, flight.number);
}

// The first `count` packets under way are acknowledged. The first one has just arrived; when another one did that was
// sent again is not known.
void SelectiveRepeat::on_acknowledged(QpId qp, std::uint32_t count) {
  SelectiveSender& selective = selective_senders_[qp];
  for (std::uint32_t i = 0; i < count; ++i) {
    const SelectiveSender::Flight& flight = selective.flights.front();
    if (i == 0 || !flight.is_resent) advance_newest(selective, flight);
    selective.flights.pop_front();
  }
}

// What was sent `reorder` transmissions before the newest that arrived, has not arrived and was not sent again is lost.
void SelectiveRepeat::find_lost(QpId qp) {
  SelectiveSender& selective = selective_senders_[qp];
  const Sender& sender = senders_[qp];
  while (!selective.sent.empty() && selective.sent.front().number + network_.nic.reorder < selective.newest) {
    const auto [psn, number] = selective.sent.front();
    selective.sent.pop_front();
    if (psn < sender.una_psn) continue;
    const SelectiveSender::Flight& flight = selective.flights[psn - sender.una_psn];
    if (!flight.has_arrived && flight.number == number) selective.lost.push_back(psn);
  }
  if (selective.lost.empty()) return;
  transport().resume(qp);
}

// A timeout: everything that is under way and not known to have arrived is lost.
void SelectiveRepeat::on_timeout(QpId qp) {
  SelectiveSender& selective = selective_senders_[qp];
  const Sender& sender = senders_[qp];
  selective.lost.clear();
  selective.sent.clear();
  for (std::uint64_t p = sender.una_psn; p < sender.next_psn; ++p) {
    if (!selective.flights[p - sender.una_psn].has_arrived) selective.lost.push_back(p);
  }
  if (selective.lost.empty()) return;
  transport().resume(qp);
}

}  // namespace raddle
