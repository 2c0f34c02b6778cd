#pragma once
// What all parts of a partition share: its clock, its event list, its packets, and what it hands to other partitions.

#include <tuple>
#include <vector>

#include "raddle/part.hpp"
#include "raddle/tables.hpp"

namespace raddle {

// What one thread's partitions send to others within a window.
struct Outbox {
  struct Letters {
    std::vector<PortId> wires;   // ports that sent frames
    std::vector<Event> events;   // pauses
  };
  std::vector<std::vector<Packet>> frames;  // by sending port
  std::vector<Letters> to;                  // by partition
  std::vector<std::uint32_t> touched;       // partitions with letters
  Time earliest = never;
};

struct DropRecord {
  Time time;
  QpId qp;
  PortId port;
  DropReason reason;
  std::uint32_t rule;  // of an access list, or none
  std::uint32_t frames;
};

class Kernel {
 public:
  Kernel(Tables& tables, std::uint32_t number, Time horizon);

  void schedule(PortId by, Time time, EventKind kind, std::uint32_t id, std::uint32_t data);
  void schedule_timer(PortId port, Time time, PortTimer what, unsigned queue);
  Time next_time() const { return events.next_time(); }

  void put_on_wire(PortId sender, const Packet& packet, Time arrival);
  // The same, before what arrives later: a train that is at a host with its last frame, which comes so much later by it.
  void put_between(PortId sender, const Packet& packet, Time arrival, Time later);
  void put_in_letter(PortId sender, const Packet& packet, Time arrival);
  void notify_peer(PortId by, Time time, std::uint32_t masks);
  // Takes what came for the partition; empties the letters.
  void collect(Outbox& box, Outbox::Letters& letters);

  PacketId allocate_packet();
  void free_packet(PacketId id);
  void drop(PortId port, const Packet& packet, DropReason reason, std::uint32_t rule = none);

  // The frames of a train that has just arrived do so one by one instead, at the same instant.
  void take_apart(PortId in, const Packet& train);

  // What waits in `outbox` is none of it: see Windows::hand_over.
  auto fields() {
    return std::tie(now, events, packets, free_packets, injected, delivered, dropped, drop_records, audit, free_packet_);
  }

  Time now = 0;
  EventQueue events;
  Outbox* outbox = nullptr;
  std::vector<Packet> packets;
  std::size_t free_packets = 0;
  std::uint64_t injected = 0, delivered = 0, dropped = 0;
  std::vector<DropRecord> drop_records;
  [[no_unique_address]] Audit audit;

 protected:
  Wire* wires_;

 private:
  Outbox::Letters& letters_to(PortId port, Time time);

  Port* ports_;
  std::uint64_t *drops_, *pfc_sent_;
  const std::uint32_t* partition_of_node_;
  std::uint32_t free_packet_ = none;
};

}  // namespace raddle
