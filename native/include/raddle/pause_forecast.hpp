#pragma once
// Whether a partition can send a PFC frame over a cable that is cut, within a span of time from where it is.
//
// A frame is in its peer's buffer when it has passed the pipeline; a PFC frame acts when it is there. So a window may be
// as long as frames take only where no PFC frame can be sent in the part of it that the pipeline takes. That is known
// from the buffers: a priority group that asks for no pause asks for one when it meets its threshold, and in a span no
// more comes in than its port's line rate carries.

#include <vector>

#include "raddle/tables.hpp"

namespace raddle {

// For all partitions.
class PauseForecast {
 public:
  // `span`: from a partition's next event on.
  PauseForecast(const Tables& tables, std::uint32_t partitions, Time span);

  bool may_pause(std::uint32_t partition) const;

 private:
  struct CutPort {
    PortId id;
    NodeId node;       // among switches
    std::int64_t most;  // bytes that come in at the port within the span
  };
  bool is_pausing(const CutPort& cut) const;
  bool may_pause(const CutPort& cut, const PriorityGroup& group) const;
  std::int64_t most_bytes(const Port& port, Time span) const;

  const Tables& tables_;
  std::vector<std::vector<CutPort>> cut_ports_;  // by partition
  std::vector<std::int64_t> most_of_all_;        // by switch: that its pools take up, at ingress and at egress
};

}  // namespace raddle
