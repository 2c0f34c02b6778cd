#pragma once
// Access lists: which rules a packet meets. Of every table it meets at most one rule, the first that fits.

#include "raddle/tables.hpp"

namespace raddle {

// By what a class of packets is looked up in its access lists; an acknowledgement with a CNP is an acknowledgement.
inline std::uint32_t acl_row(const Packet& packet) {
  const PacketKind kind = packet.kind() == PacketKind::ack_and_cnp ? PacketKind::ack : packet.kind();
  return packet.qp * acl_kinds + static_cast<std::uint32_t>(kind);
}

// Calls `meet` with the entry that the packet meets in each table. `place_of` says which place its packet has in its
// message; it is asked only where an entry goes by that.
template <typename PlaceOf, typename Meet>
void meet_entries(const AclConfig& acl, const AclStage& stage, std::uint32_t port, const Packet& packet,
                  PlaceOf place_of, Meet meet) {
  constexpr std::uint8_t any_place = 0xF;
  if (stage.port_classes == 0) return;
  const std::uint32_t cell = acl.header_class[acl_row(packet)] * stage.port_classes + stage.port_class[port];
  bool is_met = false;  // a rule of the present table
  for (std::uint32_t i = stage.offsets[cell]; i < stage.offsets[cell + 1]; ++i) {
    const AclEntry& entry = stage.entries[i];
    if (!is_met && ((packet.ttl ^ entry.ttl) & entry.ttl_mask) == 0 &&
        (((packet.is_ce() ? 3 : 2) ^ entry.ecn) & entry.ecn_mask) == 0 &&
        (packet.kind() != PacketKind::data || entry.places == any_place || (place_of(packet) & entry.places) != 0)) {
      is_met = true;
      meet(entry);
    }
    if (entry.ends_table) is_met = false;
  }
}

// The place of a queue pair's data packet in its message; numbers count modulo 2^24.
std::uint8_t place_in_message(const Tables& tables, const Packet& packet);

}  // namespace raddle
