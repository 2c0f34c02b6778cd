#pragma once
// Weighted max-min fair rates of flows over links, kept up to date while flows come and go.
//
// SOURCE: progressive filling, Bertsekas and Gallager, Data Networks (2nd ed. 1992), 6.5.2: the rates of all flows grow
// together, each by its weight, until a link is full; its flows keep what they have, and the others grow on. Classes are
// strict: what a class leaves over is the next one's.
//
// Only what a change can reach is computed anew: flows that share a link which could become full, the flows that share
// such a link with these, and so on. A link is left out where all its flows at their own most (the least of their links)
// would fit: it limits none of them. Sets of flows that come again get the rates that they had.
//
// Where few changes reach many flows, rates spread from the changes only as far as they must (max_min_near.cpp). An
// allocation is max-min fair if and only if each flow has a bottleneck: a full link on which no flow has a higher level
// (Bertsekas and Gallager, 6.5.2). So the flows at the change are filled anew beside all others as they are, those
// that lose their bottleneck by that join, and this ends when there are none.

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "raddle/types.hpp"

namespace raddle {

// What a flow takes of a link: `part` (above 0) times its rate.
struct Taken {
  std::uint32_t link;
  double part = 1;
  bool is_load = false;    // it takes that of the link without being limited by it: acknowledgements; these come last
  std::uint32_t place = 0;  // in the link's list, MaxMin's own
};

class MaxMin {
 public:
  static constexpr std::size_t many = 4096;  // flows that are treated as a crowd
  static constexpr std::size_t near = 128;   // flows that few changes may reach before rates spread from these alone

  MaxMin(std::vector<double> capacity, std::size_t flows);

  // Units: those of the rates. A link of capacity 0 stops its flows.
  void set_capacity(std::uint32_t link, double capacity);
  void start(std::uint32_t flow, const std::vector<Taken>& path, double weight = 1, std::uint8_t strict_class = 0);
  void stop(std::uint32_t flow);

  // Brings the rates up to date; returns the flows whose rates have changed, valid until the next call.
  const std::vector<std::uint32_t>& solve();

  double rate(std::uint32_t flow) const { return flows_[flow].rate; }
  double most(std::uint32_t flow) const { return flows_[flow].most; }  // what its links let through without others
  bool is_started(std::uint32_t flow) const { return flows_[flow].is_started; }
  double capacity(std::uint32_t link) const { return links_[link].capacity; }
  std::size_t links() const { return links_.size(); }
  std::size_t flows() const { return started_; }  // under way
  std::uint64_t solved() const { return solved_; }      // sets of flows that were computed
  std::uint64_t recalled() const { return recalled_; }  // and that had been before
  std::uint64_t spread() const { return spread_; }      // and changes that spread as far as they must

 private:
  struct Place {
    std::uint32_t flow, index;  // of the link in the flow's path
    double part;
    bool is_load;
  };
  struct Link {
    double capacity = 0;
    double demand = 0;             // of its flows at their own most
    double load = 0, next_load = 0, left = 0, weight = 0;
    double used = 0, top = 0;      // by what is limited here; the highest level of it
    std::uint32_t growing = 0;     // flows that still grow
    bool is_seen = false, is_seed = false;
    bool is_stale = true;          // `used` and `top` are
    std::vector<Place> flows;
  };
  struct Flow {
    double rate = 0, weight = 1, most = 0;
    std::uint32_t neck = none;     // a link that limits it, if it still does
    std::uint64_t key = 0;
    std::uint8_t strict_class = 0;
    bool is_started = false, is_seen = false, is_seed = false;
    std::vector<Taken> path;
  };
  struct Key {
    std::uint64_t a = 0, b = 0;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const { return static_cast<std::size_t>(key.a); }
  };
  using Rates = std::vector<std::pair<std::uint32_t, double>>;

  static bool can_fill(const Link& link);
  void count_demand(const Flow& flow, double sign);
  void set_most(std::uint32_t flow);
  void seed_flow(std::uint32_t flow);
  void seed_link(std::uint32_t link);
  bool gather(std::size_t most);
  void drop_seeds();
  void visit(std::uint32_t flow);
  Key key_of_gathered() const;
  void sort_flows();
  void compute();
  void fill();
  void fill_class(std::size_t first, std::size_t end);
  void freeze(std::uint32_t flow, double rate);
  bool refresh_loads();
  void report();
  void set_rate(std::uint32_t flow, double rate);
  // max_min_near.cpp
  void solve_near();
  void join(std::uint32_t flow);
  void touch(std::uint32_t link);
  void fill_near();
  bool join_unlimited();
  bool join_above(std::uint32_t link, double level);
  bool touch_loads();
  bool takes_load(Link& link);
  void add_link(std::uint32_t link);
  void refresh(Link& link);
  bool is_limited_at(const Flow& flow, std::uint32_t link);
  bool is_limited(Flow& flow);

  std::vector<Link> links_;
  std::vector<Flow> flows_;
  std::vector<std::uint32_t> seed_flows_, seed_links_;
  std::vector<std::uint32_t> gathered_, gathered_links_;  // what a change can reach
  std::vector<std::uint32_t> order_;
  std::vector<double> before_;       // rates of those gathered
  std::vector<std::uint8_t> grows_;  // by flow: of the class that is being filled, and not frozen
  std::vector<std::uint32_t> changed_;
  std::unordered_map<Key, Rates, KeyHash> known_;
  std::size_t kept_ = 0, started_ = 0;
  std::size_t strict_ = 0;  // started flows of other classes than the first
  std::uint64_t solved_ = 0, recalled_ = 0, spread_ = 0;
};

}  // namespace raddle
