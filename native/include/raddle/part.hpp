#pragma once
// The parts of a partition: kernel, ports, switches, NICs and so on, each a type that names the arrays it may touch.
//
// A part asks another one through what that one offers. All are bases of Partition, so that one finds another at a
// place known when it is compiled: no pointer, and no virtual call. partition.hpp has the accessors.

#include "raddle/types.hpp"

namespace raddle {

class AccessLists;
class AdaptiveRouting;
class Flows;
class Kernel;
class LossRecoveries;
class Nics;
class Owners;
class PauseClocks;
class Ports;
class Reception;
class Switches;
class Transport;
class Watchdogs;

template <typename Self>
class Part {
 protected:
  Time now() const;
  AccessLists& access_lists();
  AdaptiveRouting& adaptive_routing();
  Flows& flows();
  Kernel& kernel();
  LossRecoveries& loss_recoveries();
  Nics& nics();
  Owners& owners();
  PauseClocks& pause_clocks();
  Ports& ports();
  Reception& reception();
  Switches& switches();
  Transport& transport();
  Watchdogs& watchdogs();

 private:
  template <typename Other>
  Other& other();
};

}  // namespace raddle
