// What an event costs at least: a loop that only takes the next event and sets one instead of it, with the
// delays of full frames and acknowledgements at 400G over 1 us of cable. Prints nanoseconds of CPU time.
// Usage: bench_floor [pending events]

#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "raddle/event_queue.hpp"

int main(int argc, char** argv) {
  using namespace raddle;
  const auto pending = static_cast<std::uint32_t>(argc > 1 ? std::atol(argv[1]) : 64);
  constexpr int steps = 20'000'000;
  std::vector<Lane> lanes(std::size_t{2} * pending);
  EventQueue queue(lanes.data(), pending, 1'700'000);
  for (PortId port = 0; port < pending; ++port) queue.set_arrival(port, static_cast<Time>(port) * 1'000'000 / pending);
  const std::clock_t begin = std::clock();
  PortId port = 0;
  Time time = 0;
  Event event{};
  for (int i = 0; i < steps; ++i) {
    if (queue.pop(port, time, event) != EventQueue::Popped::arrival) return 1;
    queue.set_arrival(port, time + (i % 2 == 0 ? 1'083'560 : 1'001'720));
  }
  const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  std::printf("%.1f\n", seconds / steps * 1e9);
}
