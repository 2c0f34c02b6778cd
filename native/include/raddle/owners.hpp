#pragma once
// Whose packets are marked and whose stand where pauses come from, if somebody asks; see owners.cpp.

#include <cstdint>
#include <tuple>
#include <vector>

#include "raddle/part.hpp"
#include "raddle/state.hpp"

namespace raddle {

// Owners are numbers from 0 on; a job is one.
struct OwnerTables {
  std::uint32_t count = 0;                 // 0: nobody asks
  std::vector<std::uint32_t> of_qp;
  std::vector<std::uint64_t> marks;        // by port and owner
  std::vector<double> pause;               // by port that asks for the pause, and owner: ps of pauses that are over
  std::vector<double> shares;              // by port, PG and owner: of the pause under way
  std::vector<Time> since;                 // by port and PG: when that began; never: there is none

  auto fields() { return std::tie(count, of_qp, marks, pause, shares, since); }
};

struct Tables;

class Owners : public Part<Owners> {
 public:
  explicit Owners(Tables& tables);

  void count_mark(PortId out, QpId qp) {
    if (tables_.count != 0) [[unlikely]] ++tables_.marks[out * tables_.count + tables_.of_qp[qp]];
  }
  // The priority group asks its sender to halt, as it has taken in this packet, which is in no queue yet.
  void begin_pause(const SwitchNode& node, PortId in, unsigned pg, const Packet& packet) {
    if (tables_.count != 0) [[unlikely]] share_out(node, in, pg, packet);
  }
  void end_pause(PortId in, unsigned pg) {
    if (tables_.count != 0) [[unlikely]] book(in, pg);
  }

 private:
  void share_out(const SwitchNode& node, PortId in, unsigned pg, const Packet& packet);
  void book(PortId in, unsigned pg);

  OwnerTables& tables_;
  const std::vector<Port>& ports_;
  const Queue* queues_;
};

}  // namespace raddle
