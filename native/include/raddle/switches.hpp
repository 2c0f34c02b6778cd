#pragma once
// Shared-buffer switches: forwarding, admission, PFC and ECN; with them their access lists and adaptive groups.

#include <vector>

#include "raddle/part.hpp"
#include "raddle/tables.hpp"

namespace raddle {

class Switches : public Part<Switches> {
 public:
  explicit Switches(Tables& tables);

  void set_switch(NodeId index, const SwitchConfig& state);
  void receive(PortId in, Packet& packet);

  // The queue that a PFC priority halts at a port.
  unsigned queue_of(const Port& port, unsigned priority) const {
    return switches_[port.node - network_.endpoints].qos[port.qos].pfc_to_queue[priority];
  }
  // The packet has left its queue: its buffer is given back, now or when its last bit has gone.
  void leave(const Port& port, PortId id, const Queue& queue, const Packet& packet);
  // Gives back a packet's buffer, headroom first, and lets the sender go on when there is room again.
  void release(PortId in, unsigned pg, std::int64_t bytes);
  // Marks a packet that leaves, where the switch goes by what the queue still holds.
  void mark_leaving(const Port& port, PortId id, unsigned queue, const Queue& left, Packet& packet) {
    const SwitchNode& node = switches_[port.node - network_.endpoints];
    if (node.marks_at_dequeue && left.wred != none && is_marked(node, id, left)) mark(packet, id, queue);
  }

 private:
  bool fits_whole(const SwitchNode& node, const Queue& queue, const PriorityGroup& pg, const Packet& train) const;
  bool passes_through(SwitchNode& node, const Port& port, unsigned queue_index, Queue& queue, PriorityGroup& pg,
                      const Packet& packet) const;
  bool admit(SwitchNode& node, PortId in, unsigned pg, const Packet& packet);
  bool may_resume(const SwitchNode& node, const PriorityGroup& pg) const;
  void refresh_pause(const SwitchNode& node, PortId in, unsigned pg);
  bool is_hit(const WredConfig& wred, PortId out, const Queue& queue);
  bool is_marked(const SwitchNode& node, PortId out, const Queue& queue);
  void mark(Packet& packet, PortId out, unsigned queue);
  void drop_at_pg(PortId port, unsigned pg, const Packet& packet, DropReason reason);

  const NetworkConfig& network_;
  const Workload& work_;
  const std::vector<Hashes>& hashes_;
  SwitchNode* switches_;
  Port* ports_;
  Queue* queues_;
  PriorityGroup* pgs_;
  HeadroomMarks* headroom_marks_;
  Losses* pg_losses_;
  std::uint64_t *marking_counter_, *marks_;
  std::int64_t* marked_bytes_;
  std::int64_t overrun_;  // bytes of a train that its sender has begun when a pause comes, and sends behind it
};

class AccessLists : public Part<AccessLists> {
 public:
  explicit AccessLists(Tables& tables);

  // Counts the packet at the rules that it meets, and drops it if one of them says so.
  bool is_denied(SwitchNode& node, bool is_egress, PortId port, const Packet& packet);

 private:
  const Tables& tables_;  // the workload's messages, of which a packet is a part
};

class AdaptiveRouting : public Part<AdaptiveRouting> {
 public:
  explicit AdaptiveRouting(Tables& tables);

  // Takes over how groups choose. Flows keep their members where neither that nor the groups have changed.
  void set_ars(SwitchNode& node, const SwitchConfig& state);
  // The port that a packet of a group leaves by, none if there is no route.
  PortId adaptive_route(SwitchNode& node, std::uint32_t group, std::uint32_t hash);

 private:
  void sample_loads(SwitchNode& node);
  std::int64_t load_band(const SwitchNode& node, std::uint32_t port) const;
  std::int64_t find_least_loaded(const SwitchNode& node, std::uint32_t group, bool is_alternative,
                                 std::vector<std::uint32_t>& found) const;
  std::uint32_t best_member(SwitchNode& node, std::uint32_t group, const ArsObject& object);
  std::int64_t sent_bytes(PortId id) const;
  std::int64_t queued_bytes(PortId id) const;

  const NetworkConfig& network_;
  const Port* ports_;
  const Queue* queues_;
};

// The bits of a packet's hash by which a switch chooses.
std::uint32_t hash_bits(const SwitchNode& node, std::uint32_t hash);

// The port of the member that the hash chooses, none if the group is empty.
PortId route(const SwitchNode& node, std::uint32_t group, std::uint32_t hash);

}  // namespace raddle
