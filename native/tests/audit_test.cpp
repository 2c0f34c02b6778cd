// Breaks one invariant in the midst of a run; the audit then ends the process with what is wrong.
// Usage: audit_test queue|group|pool|headroom|packet|wire

#include <csignal>
#include <cstdlib>
#include <cstring>

#include "checks.hpp"
#include "leaf_spine.hpp"

namespace {

using namespace raddle;

template <typename T>
T& writable(const T& value) {
  return const_cast<T&>(value);
}

void break_it(const char* what, const Simulation& simulation, PortId out) {
  const auto is = [&](const char* name) { return std::strcmp(what, name) == 0; };
  const std::size_t queue = out * priorities + 3;
  if (is("queue")) writable(simulation.queues()[queue]).bytes += 1;
  if (is("packet")) writable(simulation.queues()[queue]).head = none;  // bytes without packets
  if (is("group")) {  // a byte too few in one group, too many in the next: every sum is right
    writable(simulation.pgs()[(out + 1) * priorities + 3]).used -= 1;
    writable(simulation.pgs()[(out + 2) * priorities + 3]).used += 1;
  }
  if (is("pool")) writable(simulation.switches()[0]).pools[0].used += 1;
  if (is("headroom")) writable(simulation.switches()[0]).pools[0].headroom_used += 1;
  if (is("wire")) writable(simulation.wires()[out]).at(0).bytes -= 1;
}

}  // namespace

int main(int, char** argv) {
  std::signal(SIGABRT, [](int) { std::_Exit(1); });  // for ctest, which takes an abort for a failure
  const testing::LeafSpine fabric{.leaves = 1, .spines = 1, .hosts_per_leaf = 4};
  const Workload work = testing::incast(3, 4 << 20);
  NetworkConfig network = fabric.network();
  network.nic.rate_control = LineRate::Parameters{};  // so that the queue is long
  Simulation simulation = testing::simulate(fabric, network, work);
  simulation.advance(50'000'000, never);
  const PortId out = fabric.leaf_port(0, 0);
  CHECK(simulation.queues()[out * priorities + 3].bytes > 0);
  std::printf("wrong %s\n", argv[1]);
  std::fflush(stdout);
  break_it(argv[1], simulation, out);
  simulation.advance(60'000'000, never);
  return testing::verdict();
}
