#pragma once
// Some of the network's nodes with an event list and packets of their own.
//
// Results do not depend on how the network is cut: within a partition events have their fixed order, and two partitions
// share nothing while they run (windows.hpp).

#include "raddle/flows.hpp"
#include "raddle/kernel.hpp"
#include "raddle/loss_recovery.hpp"
#include "raddle/nics.hpp"
#include "raddle/owners.hpp"
#include "raddle/ports.hpp"
#include "raddle/reception.hpp"
#include "raddle/switches.hpp"
#include "raddle/watchdogs.hpp"

namespace raddle {

class Partition : public Kernel,
                  public Ports,
                  public PauseClocks,
                  public Reception,
                  public Switches,
                  public Owners,
                  public AccessLists,
                  public AdaptiveRouting,
                  public Watchdogs,
                  public Nics,
                  public Transport,
                  public LossRecoveries,
                  public Flows {
 public:
  Partition(Tables& tables, std::uint32_t number, Time horizon);

  // Runs its events before `end`. Returns their number.
  std::uint64_t run(Time end);

 private:
  void dispatch(const Event& event);
  void port_timer(PortId port, std::uint32_t id);
  void arrive(PortId sender);

  const Port* ports_;
};

template <typename Self>
Time Part<Self>::now() const {
  return static_cast<const Partition&>(static_cast<const Self&>(*this)).Kernel::now;
}

template <typename Self>
template <typename Other>
Other& Part<Self>::other() {
  return static_cast<Partition&>(static_cast<Self&>(*this));
}

template <typename Self> AccessLists& Part<Self>::access_lists() { return other<AccessLists>(); }
template <typename Self> AdaptiveRouting& Part<Self>::adaptive_routing() { return other<AdaptiveRouting>(); }
template <typename Self> Flows& Part<Self>::flows() { return other<Flows>(); }
template <typename Self> Kernel& Part<Self>::kernel() { return other<Kernel>(); }
template <typename Self> LossRecoveries& Part<Self>::loss_recoveries() { return other<LossRecoveries>(); }
template <typename Self> Nics& Part<Self>::nics() { return other<Nics>(); }
template <typename Self> Owners& Part<Self>::owners() { return other<Owners>(); }
template <typename Self> PauseClocks& Part<Self>::pause_clocks() { return other<PauseClocks>(); }
template <typename Self> Ports& Part<Self>::ports() { return other<Ports>(); }
template <typename Self> Reception& Part<Self>::reception() { return other<Reception>(); }
template <typename Self> Switches& Part<Self>::switches() { return other<Switches>(); }
template <typename Self> Transport& Part<Self>::transport() { return other<Transport>(); }
template <typename Self> Watchdogs& Part<Self>::watchdogs() { return other<Watchdogs>(); }

}  // namespace raddle
