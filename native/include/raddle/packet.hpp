#pragma once
// Packets, and where they are on their way: on wires, in a trace.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>

#include "raddle/types.hpp"

namespace raddle {

enum class PacketKind : std::uint8_t { data, ack, nak, cnp, ack_and_cnp };

// A frame, or a train: frames of one kind and size that follow each other, in one record and one event (NicConfig::train).
// Two to a cache line.
struct alignas(32) Packet {
  struct Buffer {
    PortId in_port;      // where its buffer is accounted
    std::uint8_t pg;
  };
  union {
    Time arrival;        // on a wire
    Buffer buffer;       // in a switch
  };
  union {
    std::uint32_t next;    // in a queue or in the free list
    std::uint32_t spread;  // of a train on a wire: from its first frame's arrival to its last one's, in ps
  };
  QpId qp;
  NodeId dst;
  std::uint32_t hash;    // of a NAK of selective repeat instead: how far its PSN is ahead of what is there in order
  std::uint32_t psn;     // low 24 bits as in the BTH (acks: next expected; a train: its first frame's), kind, frames less one
  std::uint16_t bytes;   // frames with FCS
  std::uint8_t dscp_ce;  // DSCP in the lower 6 bits, then AckReq (BTH), then whether congestion was experienced
  std::uint8_t ttl;

  static constexpr std::uint8_t ack_request = 0x40;
  static constexpr std::uint8_t ce = 0x80;

  static constexpr std::uint32_t most_frames = 32;

  PacketKind kind() const { return static_cast<PacketKind>(psn >> 24 & 7U); }
  bool is_train() const { return psn >> 27 != 0; }
  std::uint32_t frames() const { return (psn >> 27) + 1; }
  std::int64_t frame_bytes() const { return bytes / frames(); }
  unsigned dscp() const { return dscp_ce & 63U; }
  bool asks_ack() const { return (dscp_ce & ack_request) != 0; }
  bool is_ce() const { return (dscp_ce & ce) != 0; }
  void set_psn(PacketKind kind, std::uint64_t number) {
    psn = static_cast<std::uint32_t>(kind) << 24 | static_cast<std::uint32_t>(number & 0xFF'FFFFU);
  }

  // A frame becomes a train of so many like it.
  void repeat(std::uint32_t frames) {
    psn |= (frames - 1) << 27;
    bytes = static_cast<std::uint16_t>(bytes * frames);
  }

  // Whether `next` goes on where this ends, so that both may be one train of at most so many frames. The data of one
  // message do so by their numbers; acknowledgements are cumulative.
  bool is_followed_by(const Packet& next, std::uint32_t most) const {
    if (qp != next.qp || kind() != next.kind() || kind() > PacketKind::ack) return false;
    if (((dscp_ce ^ next.dscp_ce) & 63U) != 0 || ttl != next.ttl || frames() + next.frames() > most) return false;
    if (kind() == PacketKind::data && ((psn + frames()) ^ next.psn) << 8 != 0) return false;
    return frame_bytes() == next.frame_bytes();
  }

  void append(const Packet& next) {
    psn += next.frames() << 27;
    if (kind() == PacketKind::ack) psn = (psn & ~0xFF'FFFFU) | (next.psn & 0xFF'FFFFU);
    bytes = static_cast<std::uint16_t>(bytes + next.bytes);
    dscp_ce |= next.dscp_ce;
  }

  // `count` frames of a train from the place `first` on.
  Packet part(std::uint32_t first, std::uint32_t count) const {
    Packet some = *this;
    some.bytes = static_cast<std::uint16_t>(frame_bytes());
    some.set_psn(kind(), psn + (kind() == PacketKind::data ? first : 0));
    some.repeat(count);
    if (first + count < frames()) some.dscp_ce &= static_cast<std::uint8_t>(~ack_request);  // its last frame's
    return some;
  }
};
static_assert(sizeof(Packet) == 32);

// A message of no bytes is one packet without payload.
inline std::uint64_t packets_of(std::int64_t bytes, std::int64_t mtu) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>((bytes + mtu - 1) / mtu, 1));
}

// Frames sent that have not arrived, in order: a ring, so that one lies beside the next.
struct alignas(32) Wire {
  using Walked = Packet;
  std::unique_ptr<Packet[]> slots;
  std::uint32_t mask = 0;         // of places: the number of slots, a power of two, less one
  std::uint32_t head = 0, count = 0;
  PortId to = none;               // receiving port

  Packet& at(std::uint32_t place) { return slots[(head + place) & mask]; }
  const Packet& at(std::uint32_t place) const { return slots[(head + place) & mask]; }

  Packet& push(const Packet& packet) {
    if (count >= mask) [[unlikely]] grow();  // one stays free, so that none needs no slots
    __builtin_prefetch(&at(count + 2), 1);
    return at(count++) = packet;
  }

  Packet& push_front(const Packet& packet) {
    if (count >= mask) [[unlikely]] grow();
    --head;
    ++count;
    return at(0) = packet;
  }

  void pop() {
    ++head;
    --count;
    __builtin_prefetch(&at(2));
  }

  void grow() {
    const std::uint32_t larger = std::max(4U, 2 * (mask + 1));
    auto moved = std::make_unique<Packet[]>(larger);
    for (std::uint32_t i = 0; i < count; ++i) moved[i] = at(i);
    slots = std::move(moved);
    mask = larger - 1;
    head = 0;
  }

  // Its frames, for a checkpoint, wherever in the ring they lie.
  template <typename Walk>
  void walk(Walk& act) {
    std::uint32_t frames = count;
    act(frames);
    if constexpr (Walk::reads) head = count = 0;
    for (std::uint32_t place = 0; place < frames; ++place) {
      if constexpr (Walk::reads) push({});
      act(at(place));
    }
  }
};

// A frame that a traced port began to send; `qp` is none for PFC, whose `psn` are the masks of a pause event.
struct TraceRecord {
  Time time;
  PortId port;
  QpId qp;
  std::uint32_t psn;  // with the kind, as in Packet
  std::uint16_t bytes;
  std::uint8_t dscp_ce, ttl;
};

}  // namespace raddle
