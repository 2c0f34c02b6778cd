#pragma once
// The fluid engine: the packet engine's network and work, with messages that flow at max-min fair rates.
//
// Forwarding is the packet engine's, which is never run here: a queue pair takes the path that Simulation::trace gives
// it. Its messages drain one after the other, in bytes on the wire (headers and gaps counted); acknowledgements load
// the links back. A message arrives when it has drained and its last frame has made its way, so that one which has its
// path to itself takes exactly what it takes in packets. docs/models/fluid.md has the model and what it leaves out.

#include <cstdint>
#include <functional>
#include <queue>
#include <vector>

#include "raddle/fluid_flows.hpp"
#include "raddle/simulation.hpp"

namespace raddle {

class Fluid {
 public:
  // `forwarding` must outlive it. Throws std::invalid_argument where queue pairs are of several priorities.
  explicit Fluid(const Simulation& forwarding);

  // Forwarding has changed: whatever is under way takes its new path from now on.
  void refresh() { is_stale_ = true; }
  void set_light(PortId port, bool is_lit);            // on a cable; nothing moves on a dark one
  void refresh_speed(PortId port);                     // the cable's has changed
  void set_receiver(PortId port, std::int64_t bps);    // frames that the endpoint's host takes; 0: any

  // What congestion control lets through where queue pairs share a link; asked for once, if some do.
  void hold_back(std::function<KeptShare()> ask) { moving_.hold_back(std::move(ask)); }

  // As Simulation::advance.
  std::uint64_t advance(Time until, std::uint64_t max_events);
  Time now() const { return now_; }
  bool is_done() const { return open_ == 0; }
  bool has_events() { return next_time() != FluidFlows::forever; }

  const FlowResults& flows() const { return results_; }
  std::int64_t delivered() const { return delivered_; }               // payload bytes over the network
  std::int64_t scale_up_delivered() const { return inside_; }         // and inside domains
  std::vector<std::int64_t> scale_up_bytes() const;                   // by link
  // Frames and their bytes by port and queue, up to now.
  const std::vector<std::uint64_t>& tx_frames() { return charge_all(), tx_frames_; }
  const std::vector<std::int64_t>& tx_bytes() { return charge_all(), tx_bytes_; }
  std::uint64_t solved() const { return moving_.rates().solved(); }
  std::uint64_t recalled() const { return moving_.rates().recalled(); }

 private:
  enum class What : std::uint32_t { start, arrival, acknowledgement };
  struct Due {
    Time time;
    What what;
    FlowId flow;
    bool operator<(const Due& other) const {
      if (time != other.time) return time > other.time;
      return what != other.what ? what > other.what : flow > other.flow;
    }
  };
  struct Pair {
    std::uint32_t cursor = 0, posted = 0, acked = 0;  // places in its list of flows
    bool is_sending = false, is_known = false;        // its path is
    bool arrives = false;                             // its path ends at its receiver, and the way back at its sender
    bool is_answered = false;                         // its acknowledgements arrive, over no dark link
    std::uint64_t charged = 0;                        // frames of the message at the cursor that are counted
    std::vector<QueueId> path, back;                  // queues of data and acknowledgements
    std::int64_t slowest = 0;                         // bit/s of the path's wires
    Time ack_way = 0;
    std::int64_t size = -1;                           // of a message, whose way is
    double way = 0;
  };

  double next_time();
  void add_links();
  void start_all();
  void step(double time, std::uint64_t& events);
  void make_ready(FlowId flow);
  void prepare(FlowId flow);
  void complete(FlowId flow, bool at_receiver);
  void post(QpId qp);
  void begin(QpId qp);
  void end(QpId qp);
  void arrive(FlowId flow);
  void answer(FlowId flow);
  void acknowledge(FlowId flow);
  void find_path(QpId qp);
  std::vector<QueueId> queues_of(QpId qp, bool is_ack) const;
  bool is_too_long(const std::vector<PortId>& path) const;
  std::vector<Taken> taken(QpId qp, FlowId flow) const;
  std::vector<Taken> taken_inside(QpId qp, FlowId flow) const;
  double bits_of(FlowId flow) const;
  double way_of(QpId qp, FlowId flow);
  Time idle_time(const Pair& pair, std::int64_t size) const;
  Time back_time(const Pair& pair) const;
  Time behind(PortId port) const;
  void reroute();
  void charge(QpId qp, std::uint64_t frames);
  void charge_all();
  std::uint64_t frames_sent(QpId qp) const;
  std::uint64_t frames_of(FlowId flow) const;
  FlowId at_cursor(QpId qp) const { return tables_.qp_flows[tables_.qp_flow_offsets[qp] + pairs_[qp].cursor]; }
  Time whole(double time) const;

  const Simulation& forwarding_;
  const Tables& tables_;
  const NicConfig& nic_;
  const Workload& work_;
  std::uint32_t tx_bus_ = 0, rx_bus_ = 0, inside_links_ = 0, nowhere_ = 0, windows_ = 0;  // first link of each kind
  FluidFlows moving_;
  std::vector<Pair> pairs_;
  std::vector<std::uint32_t> waits_;
  std::priority_queue<Due> due_;
  std::vector<bool> is_dark_;                         // by port
  std::vector<FlowId> unanswered_;                    // have arrived, and have no way back
  FlowResults results_;
  std::vector<std::uint64_t> tx_frames_;
  std::vector<std::int64_t> tx_bytes_;
  std::vector<double> inside_bytes_;                  // by scale-up link
  std::int64_t open_ = 0, delivered_ = 0, inside_ = 0;
  bool is_stale_ = false;
  Time now_ = 0, last_end_ = 0;
};

}  // namespace raddle
