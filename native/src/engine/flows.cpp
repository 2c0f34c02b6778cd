// Flows: what waits for what, and the links inside scale-up domains.

#include <algorithm>

#include "raddle/partition.hpp"

namespace raddle {

Flows::Flows(Tables& tables, EventQueue& events)
    : tables_(tables), work_(tables.work), qp_flow_offsets_(tables.qp_flow_offsets.data()),
      qp_flows_(tables.qp_flows.data()), dependent_offsets_(tables.dependent_offsets.data()),
      dependents_(tables.dependents.data()), waits_(tables.waits.data()), results_(tables.flow_results),
      scale_up_(tables.work, qp_flow_offsets_, qp_flows_, tables.scale_up, events) {}

void Flows::make_ready(FlowId flow) {
  if (--waits_[flow] == 0) transport().post(work_.flow_qp[flow]);
}

// One of the flows that this one waits for is done: after the last one, its sender takes a delay to go on.
void Flows::prepare(FlowId flow) {
  const Time delay = work_.flow_delay.empty() ? 0 : work_.flow_delay[flow];
  const Time start = std::max(now() + delay, work_.flow_start[flow]);
  if (waits_[flow] > 1 || start == now()) return make_ready(flow);
  ++open;
  kernel().schedule(tables_.first_place(work_.flow_qp[flow]), start, EventKind::start, flow, 0);
}

void Flows::post_inside(QpId qp) {
  std::uint32_t& posted = scale_up_.posted(qp);
  for (auto i = qp_flow_offsets_[qp] + posted; i < qp_flow_offsets_[qp + 1] && is_ready(qp_flows_[i]); ++i) {
    begin(qp_flows_[i]);
    ++posted;
  }
  scale_up_.post(qp, now());
}

void Flows::complete(FlowId flow, bool at_receiver) {
  for (auto i = dependent_offsets_[flow]; i < dependent_offsets_[flow + 1]; ++i) {
    const FlowId dependent = dependents_[static_cast<std::size_t>(i)];
    if (tables_.starts_at_receiver(flow, dependent) == at_receiver) prepare(dependent);
  }
}

void Flows::host_event(const Event& event) {
  if (static_cast<HostEvent>(event.id() >> host_event_shift) == HostEvent::landing) {
    --open;
    last_end = now();
    return arrive(event.id() & ((1U << host_event_shift) - 1));
  }
  const auto [arrived, acknowledged] = scale_up_.dispatch(event);
  if (arrived != none) arrive(arrived);
  if (acknowledged != none) end(acknowledged);
}

}  // namespace raddle
