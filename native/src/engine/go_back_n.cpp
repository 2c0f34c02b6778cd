// Go-back-N (InfiniBand vol. 1, 9.7): one NAK for a gap, and everything from there on is sent again.

#include <algorithm>

#include "raddle/partition.hpp"

namespace raddle {

GoBackN::GoBackN(Tables& tables)
    : qp_flow_offsets_(tables.qp_flow_offsets.data()), qp_flows_(tables.qp_flows.data()),
      senders_(tables.senders.data()), receivers_(tables.receivers.data()) {}

void GoBackN::receive(Packet& packet, bool is_marked) {
  Receiver& receiver = receivers_[packet.qp];
  const std::int32_t distance = psn_distance(packet.psn, receiver.expected_psn);
  if (distance > 0) {  // a gap: one NAK for it, the packet itself is not kept
    if (receiver.nak_sent) return;
    receiver.nak_sent = true;
    ++kernel().injected;
    return transport().reply(packet, PacketKind::nak, receiver.expected_psn);
  }
  if (distance < 0) {  // sent again though it had arrived
    const std::uint32_t known = std::min(packet.frames(), static_cast<std::uint32_t>(-distance));
    kernel().injected += known;
    Packet again = packet;
    transport().reply(again, PacketKind::ack, receiver.expected_psn, 0, known);
    if (known == packet.frames()) return;
    packet = packet.part(known, packet.frames() - known);
  }
  receiver.nak_sent = false;
  receiver.expected_psn += packet.frames();
  const QpId qp = packet.qp;
  const bool is_flow_end = receiver.expected_psn == receiver.cursor_end;
  transport().acknowledge(packet, is_marked, is_flow_end || packet.asks_ack());
  if (is_flow_end) transport().end_message(qp);
}

void GoBackN::on_nak(const Packet& nak, std::int32_t progress) {
  if (progress >= 0) rewind(nak.qp);
}

void GoBackN::on_timeout(QpId qp) { rewind(qp); }

void GoBackN::rewind(QpId qp) {
  Sender& sender = senders_[qp];
  sender.next_psn = sender.una_psn;
  const FlowId* flows = qp_flows_ + qp_flow_offsets_[qp];
  while (sender.next_psn < sender.cursor_end - transport().packets_of(flows[sender.cursor])) {
    sender.cursor_end -= transport().packets_of(flows[sender.cursor--]);
  }
  if (sender.next_psn < sender.limit_psn) transport().resume(qp);
}

}  // namespace raddle
