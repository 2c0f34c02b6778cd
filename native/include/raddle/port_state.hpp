#pragma once
// What a port has: queues, priority groups, what impairs it, pauses.

#include "raddle/packet.hpp"

namespace raddle {

struct alignas(64) Queue {
  std::uint32_t head = none, tail = none;
  std::int64_t bytes = 0, max_bytes = 0;
  std::uint32_t profile = none, wred = none;
  std::uint64_t tx_frames = 0;
  std::int64_t tx_bytes = 0;
  std::int64_t deficit = 0, quantum = 0;
};
static_assert(sizeof(Queue) == 64);

struct alignas(32) PriorityGroup {
  std::int64_t used = 0, headroom = 0, max_used = 0;
  std::uint32_t profile = none;
  bool is_xoff = false;
};

// The most that a priority group has held, as far as it had to use its headroom.
struct HeadroomMarks {
  std::int64_t max_headroom = 0, max_bytes = 0;
};

// What was not let into a queue or priority group, or was thrown out of a queue; of that, what RED dropped.
struct Losses {
  std::uint64_t frames = 0, wred_frames = 0;
  std::int64_t bytes = 0, wred_bytes = 0;
};

struct alignas(64) Port {
  Time busy_until = 0;
  Time arrive_delay = 0;          // propagation and the peer's pipeline
  std::uint32_t ps_per_byte = 0;  // 0: not a whole number, the clock has longer ticks, or frames are traced or in trains
  PortId peer = none;
  NodeId node = 0;
  std::uint32_t qos = 0;
  std::uint32_t cut_ps = 0;       // after so much of a frame the peer may forward it; 0: it stores the frame
  std::uint8_t active = 0;        // queues that hold packets
  std::uint8_t paused = 0;        // queues that the peer paused
  std::uint8_t strict = 0xFF;
  std::uint8_t round = 0;         // DWRR position
  std::uint8_t pfc_enable = 0;
  std::uint8_t pfc_changed = 0;   // priorities whose pause state is to be told to the peer
  std::uint8_t pfc_xoff = 0;
  bool is_up = true;
  bool is_endpoint = false;
  bool is_cut = false;            // the peer is in another partition
  bool rx_check : 1 = false;      // what arrives is not simply received: see reception.cpp
  bool tx_check : 1 = false;      // nor what is to be sent simply taken
  bool is_traced : 1 = false;
  std::uint8_t has_data = 0;      // of an endpoint: priorities with queue pairs in their circle
  Time propagation = 0;
  std::int64_t speed = 0;
};
static_assert(sizeof(Port) == 64);

// What keeps a port from receiving every frame, or from sending it.
struct Impairment {
  bool is_lit = true;          // light on the cable; a cut one carries nothing before its ends notice
  double bit_errors = 0;       // chance of a wrong bit, after FEC
  std::uint64_t frames = 0;    // received under bit errors
  std::uint32_t mtu = 0;       // most bytes of an IP packet that it sends; 0: any
  // A host that takes data no faster than this (0: at line rate), and its NIC's buffer.
  std::int64_t drain = 0, buffer = 0, xoff = 0, xon = 0;
  Time empty_at = 0;           // when the buffer is empty if nothing more arrives
  std::uint8_t halted = 0;     // priorities that the full buffer has paused
  std::uint8_t storm = 0;      // priorities that it pauses for no reason
  // A storm of single frames: one each `beat` (0: none), which halts for so many quanta.
  Time beat = 0;
  std::uint16_t beat_quanta = 0;
  std::uint8_t beat_priorities = 0, beat_due = 0;
  std::uint8_t beat_run = 0;   // the storm that a timer is of
  bool is_armed = false;       // a look at the buffer is under way
};

// What a port needs besides for frames that go in trains.
struct TrainPort {
  Time frame = 0;                 // of what it sends, the time on the wire of each frame; 0: it is no frame of a packet
  std::uint32_t ps_per_byte = 0;  // as Port has it otherwise
  bool has_host = false;          // at the far end
  Time since = 0;                 // when the first of them began
  Time latest = 0;                // arrival of data at a host, before the cable
  Time answered = 0;              // when the last answer was on the wire
};

// What a host's bus gives an endpoint.
struct HostBus {
  std::int64_t speed = 0;      // bit/s of payload, 0: any
  Time free_at = 0;            // when it has carried what the endpoint has sent
};

// A pause that ends by itself: until when each queue is halted, and whether a renewal is under way.
struct PauseClock {
  Time expires[priorities] = {};
  Time armed[priorities] = {never, never, never, never, never, never, never, never};  // when the next expiry comes
  bool is_renewing = false;
};

}  // namespace raddle
