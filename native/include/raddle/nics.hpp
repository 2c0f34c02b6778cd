#pragma once
// RDMA NICs: what a host's port sends next, and the queue pairs whose packets it carries.

#include <vector>

#include "raddle/part.hpp"
#include "raddle/tables.hpp"

namespace raddle {

// Ports of hosts: classes share the wire, answers go before data.
class Nics : public Part<Nics> {
 public:
  explicit Nics(Tables& tables);

  // Sends one frame of the priority whose turn it is of those that are ready.
  bool send(Port& port, PortId id, unsigned ready);
  void receive(PortId port, Packet& packet);
  // Sends a receiver's answer: at once through an idle port, else from its queue.
  void answer(PortId id, unsigned queue, Packet& packet);

 private:
  bool send_of_priority(Port& port, PortId id, unsigned priority);
  unsigned pick_class(Port& port, PortId id, unsigned ready);
  bool sends_at_once(PortId id, unsigned queue_index, Packet& packet);

  Port* ports_;
  Queue* queues_;
  std::uint32_t train_;
};

// Queue pairs of reliable connections: messages in packets, acknowledgements, what was lost again, rates.
class Transport : public Part<Transport> {
 public:
  explicit Transport(Tables& tables);

  // Hands the queue pair's next messages to its NIC, in order, as far as they are ready.
  void post(QpId qp);
  // Sends one packet of the priority's next queue pair in turn that its rate does not hold back.
  bool send_data(Port& port, PortId id, unsigned priority);
  void receive_data(Packet& packet);
  void receive_answer(const Packet& packet);
  void retransmit_timer(QpId qp);
  // Lets the other port of a bond send and answer for the queue pairs that are at `from`: all, or those of `home` alone.
  void move_queue_pairs(PortId from, PortId to, NodeId home);
  std::uint8_t priority_of(QpId qp) const { return senders_[qp].priority; }

  // For loss recoveries. Turns the packet into the receiver's answer and sends it.
  void reply(Packet& packet, PacketKind kind, std::uint64_t psn, std::uint32_t ahead = 0, std::uint32_t frames = 1);
  // Acknowledges what has arrived in order, if it is time or urgent.
  void acknowledge(Packet& packet, bool is_marked, bool is_urgent);
  // The queue pair's first message that was not whole is.
  void end_message(QpId qp);
  // There is something to send.
  void resume(QpId qp);
  std::uint64_t packets_of(FlowId flow) const;

 private:
  template <typename Act>
  auto recover(Act&& act);
  std::uint32_t frames_of_train(Sender& sender, QpId qp, double line_rate) const;
  void take_progress(QpId qp, std::uint32_t progress);
  void join_round(QpId qp);
  void refresh_limit(Sender& sender);
  template <typename Rate>
  void pace(Sender& sender, const Rate& rate, const typename Rate::Parameters& parameters) const;
  void receive_nak(const Packet& packet);
  void go_on(QpId qp);
  void fail(QpId qp);

  const NetworkConfig& network_;
  const Workload& work_;
  const std::uint32_t* qp_flow_offsets_;
  const FlowId* qp_flows_;
  Port* ports_;
  Queue* queues_;
  std::uint32_t* round_;
  Sender* senders_;
  Receiver* receivers_;
  QpResults& qp_results_;
  bool hears_marks_;
};

}  // namespace raddle
