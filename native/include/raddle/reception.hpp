#pragma once
// What keeps a port from receiving or sending a frame: a dark cable, bit errors, a slow host and its bus, the MTU.

#include <vector>

#include "raddle/part.hpp"
#include "raddle/tables.hpp"

namespace raddle {

class Reception : public Part<Reception> {
 public:
  explicit Reception(Tables& tables);

  Impairment& impairment(PortId id);
  void refresh_checks(PortId id);
  // Whether the port gets the frame; one that it does not get is dropped. A train is taken apart first.
  bool receives(PortId id, const Packet& packet);
  bool hears_pause(PortId id);

  void set_mtu(PortId id, std::uint32_t mtu);
  bool is_too_long(PortId id, std::int64_t bytes) const;

  void set_receiver(PortId port, std::int64_t bps, std::int64_t buffer, std::int64_t xoff, std::int64_t xon);
  void refresh_halt(PortId id);
  void look_at_receiver(PortId id);

  // A storm of PFC frames, one each `period` (0: no more), whatever the NIC itself wants.
  void set_beat(PortId id, std::uint8_t priorities, std::uint16_t quanta, Time period);
  void beat(PortId id, unsigned run);
  // The priorities that a frame of a storm is to name now; 0 if none is due.
  std::uint8_t take_beat(PortId id);
  std::uint16_t beat_quanta(PortId id) const { return impairments_[id].beat_quanta; }

  bool has_buses() const { return !buses_.empty(); }
  bool is_held_by_bus(PortId id);
  void load_bus(PortId id, std::int64_t payload);
  // Whether a message that the NIC has whole is at the host only later; it then ends by an event of its own.
  bool lands_later(PortId id, FlowId flow);

 private:
  void lose(PortId id, const Packet& packet, DropReason reason);
  bool is_corrupt(PortId id, std::int64_t bytes);
  bool takes(PortId id, const Packet& packet);
  void drain_receiver(PortId id);

  const NetworkConfig& network_;
  Port* ports_;
  std::vector<Impairment>& impairments_;
  std::vector<HostBus>& buses_;
  std::uint64_t* lost_frames_;
  std::int64_t* lost_bytes_;
};

}  // namespace raddle
