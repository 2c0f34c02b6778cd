// What a checkpoint has of the engine: tables, the parts of partitions, clocks.
//
// What the network and the work say is not written, nor what the simulation makes of them before its first event.

#include "raddle/checkpoint.hpp"

#include "raddle/simulation.hpp"

namespace raddle {

namespace {

constexpr std::size_t word = sizeof(void*);

// Every record that has containers names all of its members.
static_assert(names_all<AclConfig>() && names_all<AclStage>() && names_all<Ars>() && names_all<ArsConfig>() &&
              names_all<FlowResults>() && names_all<Hashes>() && names_all<OwnerTables>() && names_all<QpResults>() &&
              names_all<SelectiveReceiver>() && names_all<SelectiveSender>() && names_all<ScaleUpTables>());
static_assert(names_all<SwitchNode>(2));  // a gap between its flags and its first pointer
// Of the tables, those that the work alone gives are not written: five columns.
static_assert(names_all<Tables>(sizeof(NetworkConfig) + sizeof(Workload) + 5 * sizeof(std::vector<int>)));

// A part names what it has itself; the words that are left say where tables lie and what was configured.
static_assert(names_all<AccessLists>(word) && names_all<AdaptiveRouting>(3 * word) && names_all<EventQueue>(3 * word) &&
              names_all<Flows>(8 * word) && names_all<GoBackN>(4 * word) && names_all<Kernel>(6 * word) &&
              names_all<Nics>(3 * word) && names_all<Owners>(3 * word) && names_all<PauseClocks>(3 * word) &&
              names_all<Ports>(9 * word) && names_all<Reception>(6 * word) && names_all<ScaleUp>(6 * word) &&
              names_all<SelectiveRepeat>(9 * word) && names_all<Switches>(13 * word) && names_all<Transport>(11 * word) &&
              names_all<Watchdogs>(8 * word));

template <typename... Parts>
struct PartList {
  template <typename Act>
  static void walk(Act& act, Partition& partition) {
    const auto one = [&]<typename Part>(Part& part) {
      if constexpr (HasFields<Part>) act(part);
    };
    (one(static_cast<Parts&>(partition)), ...);
  }
};

using AllParts = PartList<Kernel, Ports, PauseClocks, Reception, Switches, Owners, AccessLists, AdaptiveRouting,
                          Watchdogs, Nics, Transport, LossRecoveries, Flows>;

}  // namespace

template <typename Act>
void Simulation::walk(Act& act) {
  std::uint64_t count = partitions_.size();
  act(count);
  if (count != partitions_.size()) throw std::invalid_argument("the state is of another network");
  act(*tables_);
  act(tables_->work.flow_delay);
  for (const auto& partition : partitions_) AllParts::walk(act, *partition);
  act(*windows_);
  act(now_);
  act(watchdog_events_);
  act(drop_time_);
  act(is_admin_up_);
  act(has_carrier_);
}

std::vector<std::uint8_t> Simulation::save() {
  windows_->hand_over();
  StateWriter writer;
  walk(writer);
  return std::move(writer.bytes);
}

void Simulation::restore(std::span<const std::uint8_t> state) {
  StateReader reader(state);
  walk(reader);
  if (!reader.bytes.empty()) throw std::invalid_argument("the state goes on behind its end");
  windows_->align(partitions_.front()->Kernel::now);
}

}  // namespace raddle
