// A rate control is one header and its place in the list: this program has the engine with one more.

#include <cstddef>

#include "checks.hpp"
#include "leaf_spine.hpp"

namespace {

using namespace raddle;
using testing::add_flow;
using testing::LeafSpine;

void rows_are_found_by_their_names() {
  CHECK(RateControls::names.size() == 3);
  CHECK(RateControls::names[0] == "none" && RateControls::names[1] == "dcqcn" && RateControls::names[2] == "fixed");
}

// 256 packets of 4178 bytes on the wire: all but the last wait their turn at 10 Gb/s, and that takes the way of one.
void added_row_paces_every_packet() {
  const LeafSpine fabric{.leaves = 1, .spines = 1, .hosts_per_leaf = 2};
  Workload work;
  add_flow(work, 0, 1, 1 << 20);
  Time took[2];
  for (const bool is_fixed : {false, true}) {
    NetworkConfig network = fabric.network();
    network.nic.rate_control = LineRate::Parameters{};
    if (is_fixed) network.nic.rate_control = FixedRate::Parameters{.rate = 10e9};
    Simulation simulation = testing::simulate(fabric, network, work);
    testing::run(simulation);
    took[is_fixed] = simulation.flows().finish[0];
  }
  constexpr Time frame = 4178 * 8 * 100, frame_at_line = 4178 * 8 * 5 / 2;  // ps at 10G and at 400G
  CHECK(took[1] - took[0] == 255 * (frame - frame_at_line));
}

void parameters_of_an_added_row_are_checked() {
  const LeafSpine fabric{.leaves = 1, .spines = 1, .hosts_per_leaf = 2};
  NetworkConfig network = fabric.network();
  network.nic.rate_control = FixedRate::Parameters{.rate = 0};
  Workload work;
  add_flow(work, 0, 1, 4096);
  bool is_refused = false;
  try {
    Simulation simulation(network, work);
  } catch (const std::invalid_argument&) {
    is_refused = true;
  }
  CHECK(is_refused);
}

}  // namespace

int main() {
  rows_are_found_by_their_names();
  added_row_paces_every_packet();
  parameters_of_an_added_row_are_checked();
  return testing::verdict();
}
