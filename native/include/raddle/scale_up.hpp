#pragma once
// Traffic inside scale-up domains: accelerators that switches (NVSwitch) or links of their own (HCCS) join.
//
// A domain is a set of one-way links, and a queue pair inside it takes a path of one or more: of a crossbar the
// sender's egress and the receiver's ingress, of a mesh the link between the two, of a ring one link after the other.
// Messages are cut into quanta. A link carries one quantum at a time, and the queue pairs that wait at it take turns.
// A quantum begins on the next link one latency after it began on this one, so that an idle path takes the message's
// time on its slowest link and the latencies, whatever the quantum. A queue pair has no more under way than two quanta
// and what fits into the latency (the credits of a link with flow control), so that nobody waits behind more than
// some quanta of each other queue pair.
//
// The links of a domain are in one partition. docs/models/servers.md has the model and its errors.

#include <cstddef>
#include <tuple>
#include <vector>

#include "raddle/config.hpp"
#include "raddle/event_queue.hpp"

namespace raddle {

// What an event of the kind `host` is about: the three upper bits of its id.
enum class HostEvent : std::uint32_t { delivery, arrival, link_free, acknowledgement, landing };

inline constexpr unsigned host_event_shift = 29;  // below: the number of a link, of a stage or of a flow

struct ScaleUpLink {
  Time free_at = 0;
  std::int64_t bytes = 0;       // carried
  std::uint32_t last = none;    // last served stage of its circle, none if that is empty
  bool is_armed = false;        // an event for when it is free is under way
};

// A queue pair at a link of its path; its number is the link's place in `path_links`.
struct ScaleUpStage {
  std::uint32_t round_next = none;          // in the link's circle; none: not in it
  std::uint32_t head = none, tail = none;   // quanta that wait here; at the first link they are cut when they go
  QpId qp = none;
};

struct ScaleUpPair {
  Time latency = 0;                         // of its path
  std::int64_t window = 0, under_way = 0;   // bytes
  std::int64_t sent = 0;                    // bytes of the message at the cursor that have gone
  std::uint32_t cursor = 0, posted = 0;     // places in the queue pair's list of flows
};

// What all partitions share; each touches the rows of its own domains.
struct ScaleUpTables {
  std::vector<ScaleUpLink> links;
  std::vector<ScaleUpStage> stages;
  std::vector<ScaleUpPair> pairs;           // by queue pair; empty without any inside a domain
  std::vector<std::uint32_t> partition_of_link;

  explicit ScaleUpTables(const Workload& work);
  bool is_empty() const { return pairs.empty(); }
  auto fields() { return std::tie(links, stages, pairs, partition_of_link); }
};

// The scale-up domains of one partition.
class ScaleUp {
 public:
  ScaleUp(const Workload& work, const std::uint32_t* flow_offsets, const FlowId* flows, ScaleUpTables& tables,
          EventQueue& events)
      : work_(work), config_(work.scale_up), flow_offsets_(flow_offsets), flows_(flows), tables_(tables),
        events_(events) {}

  std::uint32_t& posted(QpId qp) { return tables_.pairs[qp].posted; }  // flows of its list

  // The queue pair's next message may go.
  void post(QpId qp, Time now);

  // A message that has arrived whole, or of which the sender has learned so.
  struct Outcome {
    FlowId arrived = none, acknowledged = none;
  };
  Outcome dispatch(const Event& event);

  // Bytes of messages that have been sent and that have arrived.
  std::int64_t sent() const { return sent_; }
  std::int64_t delivered() const { return delivered_; }
  auto fields() { return std::tie(quanta_, free_, sent_, delivered_); }

 private:
  struct Quantum {
    Time whole_at = 0;                      // when its last byte is there, at the link that it waits for
    std::int64_t bytes = 0, tx = 0, rx = 0;
    FlowId flow = none;
    std::uint32_t next = none;
    bool ends_message = false;
  };

  bool may_send(QpId qp) const;
  std::uint32_t cut(QpId qp);
  std::uint32_t take(std::uint32_t stage);
  void join(std::uint32_t stage, Time now);
  void kick(std::uint32_t link, Time now);
  void serve(std::uint32_t link, Time now);
  void carry(std::uint32_t stage, std::uint32_t quantum, Time now);
  Outcome deliver(std::uint32_t quantum, Time now);
  std::uint32_t allocate();
  void schedule(Time time, std::uint32_t link, HostEvent what, std::uint32_t number, std::uint32_t quantum);
  void audit(QpId qp) const;

  const Workload& work_;
  const ScaleUpConfig& config_;
  const std::uint32_t* flow_offsets_;
  const FlowId* flows_;
  ScaleUpTables& tables_;
  EventQueue& events_;
  std::vector<Quantum> quanta_;
  std::uint32_t free_ = none;
  std::int64_t sent_ = 0, delivered_ = 0;
};

}  // namespace raddle
