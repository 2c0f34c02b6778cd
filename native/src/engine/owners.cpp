// Whose packets are marked, and who causes pauses.
//
// A priority group asks for a pause as packets of it wait in queues of its switch. A pause is shared out by what stands in
// these queues, whoever's it is and wherever it came in, each queue weighted by the group's bytes in it, as it is when the
// pause begins.

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "raddle/partition.hpp"
#include "raddle/simulation.hpp"

namespace raddle {

Owners::Owners(Tables& tables)
    : tables_(tables.owners), ports_(tables.ports), queues_(tables.queues.data()) {}

void Owners::share_out(const SwitchNode& node, PortId in, unsigned pg, const Packet& packet) {
  const std::size_t owners = tables_.count;
  double* shares = &tables_.shares[(in * priorities + pg) * owners];
  std::fill_n(shares, owners, 0.0);
  std::vector<double> held(owners);
  double whole = 0;
  for (PortId out = node.first_port; out < ports_.size() && ports_[out].node == ports_[in].node; ++out) {
    for (unsigned queue = 0; queue < priorities; ++queue) {
      if ((ports_[out].active >> queue & 1U) == 0) continue;
      std::fill(held.begin(), held.end(), 0.0);
      double own = 0, all = 0;
      for (PacketId at = queues_[out * priorities + queue].head; at != none; at = kernel().packets[at].next) {
        const Packet& one = kernel().packets[at];
        held[tables_.of_qp[one.qp]] += one.bytes;
        all += one.bytes;
        if (one.buffer.in_port == in && one.buffer.pg == pg) own += one.bytes;
      }
      if (own == 0) continue;
      for (std::size_t i = 0; i < owners; ++i) shares[i] += own * held[i] / all;
      whole += own;
    }
  }
  if (whole == 0) {  // it holds this packet alone
    shares[tables_.of_qp[packet.qp]] = whole = 1;
  }
  for (std::size_t i = 0; i < owners; ++i) shares[i] /= whole;
  tables_.since[in * priorities + pg] = now();
}

void Owners::book(PortId in, unsigned pg) {
  const std::size_t at = in * priorities + pg;
  if (tables_.since[at] == never) return;
  const auto span = static_cast<double>(now() - tables_.since[at]);
  for (std::size_t i = 0; i < tables_.count; ++i) {
    tables_.pause[in * tables_.count + i] += span * tables_.shares[at * tables_.count + i];
  }
  tables_.since[at] = never;
}

void Simulation::set_owners(std::vector<std::uint32_t> of_qp, std::uint32_t owners) {
  if (of_qp.size() != tables_->senders.size()) throw std::invalid_argument("there is an owner per queue pair");
  if (std::any_of(of_qp.begin(), of_qp.end(), [owners](std::uint32_t owner) { return owner >= owners; })) {
    throw std::invalid_argument("there is no such owner");
  }
  const std::size_t ports = tables_->ports.size();
  tables_->owners = {.count = owners, .of_qp = std::move(of_qp),
                     .marks = std::vector<std::uint64_t>(ports * owners, 0), .pause = std::vector<double>(ports * owners),
                     .shares = std::vector<double>(ports * priorities * owners),
                     .since = std::vector<Time>(ports * priorities, never)};
}

std::vector<double> Simulation::owner_pause_time() const {
  const OwnerTables& owners = tables_->owners;
  std::vector<double> found(owners.pause.size());
  const Time now = partitions_.front()->Kernel::now;
  for (PortId in = 0; in < tables_->ports.size(); ++in) {
    const PortId halted = tables_->ports[in].peer;
    if (halted == none) continue;
    for (std::size_t i = 0; i < owners.count; ++i) {
      double& time = found[halted * owners.count + i];
      time = owners.pause[in * owners.count + i];
      for (std::size_t at = in * priorities; at < (in + 1) * priorities; ++at) {
        if (owners.since[at] == never) continue;
        time += static_cast<double>(now - owners.since[at]) * owners.shares[at * owners.count + i];
      }
    }
  }
  return found;
}

}  // namespace raddle
