#pragma once
// Which flow may start: what waits for what, delays between, and what stays inside scale-up domains.

#include "raddle/part.hpp"
#include "raddle/tables.hpp"

namespace raddle {

class Flows : public Part<Flows> {
 public:
  Flows(Tables& tables, EventQueue& events);

  // One thing less that the flow waits for; after the last it goes to its queue pair.
  void make_ready(FlowId flow);
  bool is_ready(FlowId flow) const { return waits_[flow] == 0; }
  // Hands the queue pair's next flows to its scale-up domain.
  void post_inside(QpId qp);
  // Starts what waited for this flow: at its receiver when it has arrived, at its sender when acknowledged.
  void complete(FlowId flow, bool at_receiver);
  // Of a host's bus or of a scale-up domain.
  void host_event(const Event& event);

  void begin(FlowId flow) {
    results_.start[flow] = now();
    results_.status[flow] = static_cast<std::uint8_t>(FlowStatus::active);
    ++open;
  }
  void end(FlowId flow) {
    results_.acked[flow] = now();
    results_.status[flow] = static_cast<std::uint8_t>(FlowStatus::done);
    ++done;
    --open;
    last_end = now();
    complete(flow, false);
  }
  void arrive(FlowId flow) {
    results_.finish[flow] = now();
    complete(flow, true);
  }
  void give_up(FlowId flow) { results_.status[flow] = static_cast<std::uint8_t>(FlowStatus::failed); }

  const ScaleUp& scale_up() const { return scale_up_; }
  auto fields() { return std::tie(open, done, last_end, scale_up_); }

  std::int64_t open = 0;   // posted or to be posted here, neither done nor failed
  std::size_t done = 0;
  Time last_end = 0;       // when the last flow ended

 private:
  void prepare(FlowId flow);

  const Tables& tables_;
  const Workload& work_;
  const std::uint32_t* qp_flow_offsets_;
  const FlowId* qp_flows_;
  const std::int64_t* dependent_offsets_;
  const FlowId* dependents_;
  std::uint32_t* waits_;
  FlowResults& results_;
  ScaleUp scale_up_;
};

}  // namespace raddle
