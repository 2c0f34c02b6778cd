#pragma once
// Conservation, held at every event. Only in builds with RADDLE_AUDIT, that is in debug builds and in those with
// sanitizers; in all others nothing of it is left.
//
// After every event, for every node that it touched:
// - bytes that arrived or were made there = sent + delivered + dropped + in its queues;
// - bytes in a switch's queues = bytes in its priority groups (a frame that is counted until its end: in neither);
// - a priority group holds what was admitted to it and not released;
// - a pool has lent what the groups and queues of its profiles have beyond their reserve;
// - a queue is empty, has no packet and is not active, or none of it; time has not gone back.
// Every 1024 events all queues and groups are added up, and packets counted one by one, in queues and on wires.
// What does not hold ends the process, with the node, the numbers and the time on stderr.

#include <cstddef>
#include <cstdint>
#include <tuple>
#include <vector>

#include "raddle/state.hpp"

namespace raddle {

struct Tables;

#ifdef RADDLE_AUDIT

// The books: one for every node, and what each queue and priority group has in its node's.
struct AuditBooks {
  struct Share {
    std::int64_t queued = 0, grouped = 0;
    std::uint32_t group_pool = none, queue_pool = none;
    std::int64_t lent = 0, headroom = 0;
  };
  struct Node {
    std::int64_t balance = 0;                // arrived and made, less sent, delivered and dropped
    std::int64_t sending = 0;                // sent but still counted in the buffer
    std::int64_t queued = 0, grouped = 0;    // sums of the shares
    std::vector<Pool> pools = {};

    auto fields() { return std::tie(balance, sending, queued, grouped, pools); }
    void add(const Share& share, std::int64_t sign);
  };
  AuditBooks(std::size_t node_count, std::size_t rows) : nodes(node_count), shares(rows), admitted(rows) {}

  std::vector<Node> nodes;
  std::vector<Share> shares;
  std::vector<std::int64_t> admitted;        // to a priority group, less released

  auto fields() { return std::tie(nodes, shares, admitted); }
};

class Audit {
 public:
  Audit(Tables& tables, std::uint32_t partition, const std::vector<Packet>& packets)
      : tables_(tables), partition_(partition), packets_(packets) {}

  void made(PortId at, std::int64_t bytes);
  void arrived(PortId at, std::int64_t bytes);
  void sent(PortId at, std::int64_t bytes, bool is_letter);
  void delivered(PortId at, std::int64_t bytes);
  void dropped(PortId at, std::int64_t bytes);
  void admitted(PortId in, unsigned pg, std::int64_t bytes);
  void released(PortId in, unsigned pg, std::int64_t bytes);
  void sending(PortId in, std::int64_t bytes);  // left the queue, not yet the buffer
  void collected(std::int64_t bytes) { on_wires_ += bytes; }
  void touch(PortId at, unsigned number);       // its queue or priority group of this number
  void changed(PortId at);                      // all of them

  void check_event(Time now, std::size_t packets_in_use);

  auto fields() { return std::tie(rows_, nodes_, on_wires_, events_, now_); }

 private:
  void recount(std::size_t packets_in_use);
  void book(PortId at, std::int64_t bytes);
  void refresh(std::size_t row);
  void check_node(NodeId id) const;
  const SwitchNode* switch_of(PortId id) const;
  [[noreturn]] void fail(const char* what, std::uint64_t number, std::int64_t is, std::int64_t due) const;

  Tables& tables_;
  std::uint32_t partition_;
  const std::vector<Packet>& packets_;
  std::vector<std::size_t> rows_;  // touched since the last check
  std::vector<NodeId> nodes_;
  std::int64_t on_wires_ = 0;
  std::uint64_t events_ = 0;
  Time now_ = 0;
};

#else

struct AuditBooks {
  AuditBooks(std::size_t, std::size_t) {}
  auto fields() { return std::tie(); }
};

class Audit {
 public:
  Audit(Tables&, std::uint32_t, const std::vector<Packet>&) {}
  void made(PortId, std::int64_t) {}
  void arrived(PortId, std::int64_t) {}
  void sent(PortId, std::int64_t, bool) {}
  void delivered(PortId, std::int64_t) {}
  void dropped(PortId, std::int64_t) {}
  void admitted(PortId, unsigned, std::int64_t) {}
  void released(PortId, unsigned, std::int64_t) {}
  void sending(PortId, std::int64_t) {}
  void collected(std::int64_t) {}
  void touch(PortId, unsigned) {}
  void changed(PortId) {}
  void check_event(Time, std::size_t) {}
  auto fields() { return std::tie(); }
};

#endif

}  // namespace raddle
