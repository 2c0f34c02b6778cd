#pragma once
// The ports of switches and NICs: transmission, queues, pausing; and pauses that end by themselves.

#include <vector>

#include "raddle/part.hpp"
#include "raddle/tables.hpp"

namespace raddle {

class Ports : public Part<Ports> {
 public:
  explicit Ports(Tables& tables);

  // Something changed that may let the port send.
  void kick(PortId id);
  void send_frame(Port& port, PortId id, Packet& packet);
  Time wire_ticks(const Port& port, std::int64_t wire_bytes) const;

  void enqueue(PortId id, unsigned queue, const Packet& packet);
  // Removes a queue's first packet, to be freed by the caller, and gives its buffer back.
  PacketId take(Port& port, PortId id, unsigned queue);
  // Of what leaves a queue and what follows it there, as far as it may, makes one train.
  void form_train(Port& port, PortId id, unsigned queue, Packet& train);
  // What of a train has not begun, behind the frame on the wire; an answer goes before it. 0: there is nothing, or it waits.
  Time rest_of_train(const Port& port, PortId id) const;
  void drop_at_queue(PortId port, unsigned queue, const Packet& packet, DropReason reason);
  void drop_all(PortId id, unsigned queue, DropReason reason);

  void receive_pause(PortId id, std::uint32_t masks);
  // Tells the sender at the far end of `id` to stop or go on; the frame leaves when the wire is free.
  void change_pause(PortId id, unsigned priority, bool is_xoff);
  // Sends a PFC frame that names these priorities, too, when the wire is free.
  void tell_pause(PortId id, std::uint8_t changed);
  // Halts these queues and no others, and keeps the count of pauses and their time.
  void set_paused(PortId id, std::uint8_t queues);

  void raise_port(PortId id);
  void lower_port(PortId id);

  std::vector<TraceRecord>& trace() { return trace_; }
  auto fields() { return std::tie(trace_); }

 private:
  void send_now(PortId id);
  void transmit(PortId id);
  bool send_pause(Port& port, PortId id);
  std::uint32_t take_pause(Port& port, PortId id);
  Time begin_slowly(Port& port, PortId id, Packet& packet, Time& begin, Time& moves);
  Time begin_answer(Port& port, PortId id, Time frame, Time takes, Time& begin, Time& moves);
  bool puts_pause_between(PortId id, Port& port);
  PacketId dequeue(Port& port, PortId id, unsigned ready);
  unsigned pick_queue(Port& port, PortId id, unsigned ready);
  void trace_frame(PortId id, const Packet& packet);
  void trace_pause(PortId id, std::uint32_t masks);

  const NetworkConfig& network_;
  Port* ports_;
  Queue* queues_;
  Losses* queue_losses_;
  std::uint64_t *pauses_, *pfc_received_;
  Time *pause_since_, *pause_total_;
  TrainPort* train_ports_;
  std::vector<TraceRecord> trace_;
};

class PauseClocks : public Part<PauseClocks> {
 public:
  explicit PauseClocks(Tables& tables);

  bool is_on() const { return !clocks_.empty(); }
  // The port has told its peer to halt, and goes on doing so.
  void start_renewing(PortId id);
  // The peer has just asked to halt these queues.
  void extend_pause(PortId id, std::uint8_t queues, std::uint32_t quanta);
  void renew_pause(PortId id);
  void expire_pause(PortId id, unsigned queue);

 private:
  Time pause_span(const Port& port, std::uint32_t quanta) const;

  const NetworkConfig& network_;
  Port* ports_;
  std::vector<PauseClock>& clocks_;
};

}  // namespace raddle
