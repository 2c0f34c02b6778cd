// The Python face of the engine: columns in, columns out. Used by raddle.sim and nothing else.

#include "bindings.hpp"

using raddle::Simulation;

namespace {

Simulation* make_simulation(std::uint32_t endpoints, std::uint64_t seed, const raddle::NicConfig& nic,
                            const Column<std::int64_t>& pipeline_ps, const Column<std::uint32_t>& port_node,
                            const Column<std::uint32_t>& port_peer, const Column<std::int64_t>& port_bps,
                            const Column<std::int64_t>& port_propagation_ps, const Column<std::uint32_t>& qp_src,
                            const Column<std::uint32_t>& qp_dst, const Column<std::uint32_t>& qp_hash,
                            const Column<std::uint32_t>& qp_ack_hash, const Column<std::uint8_t>& qp_dscp,
                            const Column<std::uint8_t>& qp_priority, const Column<std::uint32_t>& flow_qp,
                            const Column<std::int64_t>& flow_bytes, const Column<std::int64_t>& flow_start_ps,
                            const Column<std::int64_t>& dep_offsets, const Column<std::uint32_t>& dep_ids,
                            const std::optional<Column<std::uint8_t>>& cuts_through,
                            const Column<std::uint32_t>& qp_src_rank, const Column<std::uint32_t>& qp_dst_rank,
                            const raddle::ScaleUpConfig* scale_up, const Column<std::int64_t>& flow_delay_ps,
                            const Column<std::int64_t>& endpoint_bus_bps,
                            const Column<std::uint32_t>& endpoint_twin, unsigned threads) {
  const std::size_t ports = port_node.size();
  require(port_peer.size() == ports && port_bps.size() == ports && port_propagation_ps.size() == ports,
          "port columns must have one length");
  raddle::NetworkConfig network{.endpoints = endpoints,
                                .switches = static_cast<raddle::NodeId>(pipeline_ps.size()),
                                .ports = {},
                                .pipeline_latency = values(pipeline_ps),
                                .cuts_through = cuts_through ? values(*cuts_through) : std::vector<std::uint8_t>{},
                                .nic = nic,
                                .seed = seed,
                                .endpoint_bus = values(endpoint_bus_bps),
                                .endpoint_twin = values(endpoint_twin)};
  for (std::size_t i = 0; i < ports; ++i) {
    network.ports.push_back({port_node(i), port_peer(i), port_bps(i), port_propagation_ps(i)});
  }
  raddle::Workload work{values(qp_src), values(qp_dst), values(qp_hash), values(qp_ack_hash), values(qp_dscp),
                        values(qp_priority), values(flow_qp), values(flow_bytes), values(flow_start_ps),
                        values(dep_offsets), values(dep_ids), values(qp_src_rank), values(qp_dst_rank),
                        scale_up != nullptr ? *scale_up : raddle::ScaleUpConfig{}, values(flow_delay_ps)};
  return new Simulation(network, work, threads);
}

}  // namespace

NB_MODULE(_core, m) {
  m.attr("NONE") = nb::int_(raddle::none);
  m.attr("NEVER") = nb::int_(raddle::never);
  bind_nic(m);
  bind_ars(m);
  bind_switch_rows(m);
  bind_scale_up(m);
  const auto column = [](const char* name) { return nb::arg(name).noconvert(); };
  nb::class_<Simulation> simulation(m, "Simulation");
  bind_acl(simulation);
  bind_switch(simulation);
  simulation
      .def(nb::new_(&make_simulation), nb::kw_only(), "endpoints"_a, "seed"_a, "nic"_a, column("pipeline_ps"),
           column("port_node"), column("port_peer"), column("port_bps"), column("port_propagation_ps"),
           column("qp_src"), column("qp_dst"), column("qp_hash"), column("qp_ack_hash"), column("qp_dscp"),
           column("qp_priority"), column("flow_qp"), column("flow_bytes"), column("flow_start_ps"),
           column("dep_offsets"), column("dep_ids"), nb::arg("cuts_through").noconvert() = nb::none(),
           column("qp_src_rank"), column("qp_dst_rank"), nb::arg("scale_up").none() = nb::none(),
           column("flow_delay_ps"), column("endpoint_bus_bps"), column("endpoint_twin"), "threads"_a = 1)
      .def("set_link", &Simulation::set_link, "port"_a, "is_up"_a)
      .def("set_traced", &Simulation::set_traced, "port"_a, "is_traced"_a)
      .def("take_trace", [](Simulation& s) {
        using raddle::TraceRecord;
        const std::vector<TraceRecord> records = s.take_trace();
        return nb::make_tuple(gather<std::int64_t>(records, [](const TraceRecord& t) { return t.time; }),
                              gather<std::uint32_t>(records, [](const TraceRecord& t) { return t.port; }),
                              gather<std::uint32_t>(records, [](const TraceRecord& t) { return t.qp; }),
                              gather<std::uint32_t>(records, [](const TraceRecord& t) { return t.psn; }),
                              gather<std::uint16_t>(records, [](const TraceRecord& t) { return t.bytes; }),
                              gather<std::uint8_t>(records, [](const TraceRecord& t) { return t.dscp_ce; }),
                              gather<std::uint8_t>(records, [](const TraceRecord& t) { return t.ttl; }));
      })
      .def("find_deadlock", [](const Simulation& s) { return array(s.find_deadlock()); })
      .def("set_light", &Simulation::set_light, "port"_a, "is_lit"_a)
      .def("set_speed", &Simulation::set_speed, "port"_a, "bps"_a)
      .def("set_delays", [](Simulation& s, const Column<std::int64_t>& delays) { s.set_delays(values(delays)); },
           column("delays_ps"))
      .def("set_bit_errors", &Simulation::set_bit_errors, "port"_a, "ratio"_a)
      .def("set_storm", &Simulation::set_storm, "port"_a, "priorities"_a, "period_ps"_a = 0, "quanta"_a = 0)
      .def("set_receiver", &Simulation::set_receiver, "port"_a, "bps"_a, "buffer_bytes"_a, "xoff_bytes"_a,
           "xon_bytes"_a)
      .def("add_hashes", [](Simulation& s, const Column<std::uint32_t>& data, const Column<std::uint32_t>& acks) {
        return s.add_hashes(values(data), values(acks));
      }, column("data"), column("acks"))
      .def("set_owners", [](Simulation& s, const Column<std::uint32_t>& of_qp, std::uint32_t owners) {
        s.set_owners(values(of_qp), owners);
      }, column("of_qp"), "owners"_a)
      .def("owner_columns", [](const Simulation& s) {
        return nb::make_tuple(array(s.owner_marks()), array(s.owner_pause_time()));
      })
      .def("advance", &Simulation::advance, "until_ps"_a, "max_events"_a, nb::call_guard<nb::gil_scoped_release>())
      .def("save", [](Simulation& s) { return array(s.save()); })
      .def("restore", [](Simulation& s, const Column<std::uint8_t>& state) {
        s.restore({state.data(), state.size()});
      }, column("state"))
      .def("traces", [](const Simulation& s, const Column<std::uint32_t>& qps) {
        std::vector<std::uint32_t> ports, lengths;
        for (std::size_t i = 0; i < qps.size(); ++i) {
          const std::vector<std::uint32_t> way = s.trace(qps(i), false);
          ports.insert(ports.end(), way.begin(), way.end());
          lengths.push_back(static_cast<std::uint32_t>(way.size()));
        }
        return nb::make_tuple(array(std::move(ports)), array(std::move(lengths)));
      }, nb::arg("qps").noconvert())
      .def("trace", [](const Simulation& s, std::uint32_t qp, bool is_ack) { return array(s.trace(qp, is_ack)); },
           "qp"_a, "is_ack"_a)
      .def_prop_ro("now_ps", &Simulation::now)
      .def_prop_ro("is_done", &Simulation::is_done)
      .def_prop_ro("has_events", &Simulation::has_events)
      .def_prop_ro("flows_done", &Simulation::flows_done)
      .def("scale_up_bytes", [](const Simulation& s) { return array(s.scale_up_bytes()); })
      .def_prop_ro("scale_up_delivered_bytes", &Simulation::scale_up_delivered)
      .def_prop_ro("packets", [](const Simulation& s) {
        return nb::make_tuple(s.injected(), s.delivered(), s.dropped(), s.in_network());
      })
      .def("flow_columns", [](const Simulation& s) {
        return nb::make_tuple(array(s.flows().start), array(s.flows().finish), array(s.flows().acked),
                              array(s.flows().status));
      })
      .def("qp_columns", [](const Simulation& s) {
        return nb::make_tuple(array(s.qps().retransmitted), array(s.qps().timeouts), array(s.qps().cnps),
                              array(s.qps().drops), array(s.qps().drop_port), array(s.qps().drop_reason),
                              array(s.qps().drop_rule));
      })
      .def("received_packets", [](const Simulation& s) {
        return gather<std::uint64_t>(s.receivers(), [](const raddle::Receiver& r) { return r.expected_psn; });
      })
      .def("queue_columns", [](const Simulation& s) {
        using raddle::Queue;
        return nb::make_tuple(gather<std::int64_t>(s.queues(), [](const Queue& q) { return q.tx_bytes; }),
                              gather<std::uint64_t>(s.queues(), [](const Queue& q) { return q.tx_frames; }),
                              array(s.marks()),
                              gather<std::int64_t>(s.queues(), [](const Queue& q) { return q.max_bytes; }),
                              gather<std::int64_t>(s.queues(), [](const Queue& q) { return q.bytes; }),
                              array(s.pause_time()), array(s.pauses()));
      })
      .def("arrivals", [](const Simulation& s) {
        const Simulation::Arrivals arrived = s.arrivals();
        return nb::make_tuple(array(arrived.frames), array(arrived.bytes), array(s.lost_frames()));
      })
      .def("loss_columns", [](const Simulation& s) {
        using raddle::Losses;
        return nb::make_tuple(gather<std::uint64_t>(s.queue_losses(), [](const Losses& l) { return l.frames; }),
                              gather<std::int64_t>(s.queue_losses(), [](const Losses& l) { return l.bytes; }),
                              gather<std::uint64_t>(s.queue_losses(), [](const Losses& l) { return l.wred_frames; }),
                              gather<std::int64_t>(s.queue_losses(), [](const Losses& l) { return l.wred_bytes; }),
                              gather<std::uint64_t>(s.pg_losses(), [](const Losses& l) { return l.frames; }),
                              array(s.marked_bytes()));
      })
      .def("watermarks", [](const Simulation& s) {
        const Simulation::Watermarks most = s.watermarks();
        return nb::make_tuple(array(most.queue), array(most.pg), array(most.pg_headroom), array(most.pool),
                              array(most.pool_headroom), array(most.pool_offsets));
      })
      .def("clear_watermarks", &Simulation::clear_watermarks)
      .def("pfc_frames", [](const Simulation& s) { return nb::make_tuple(array(s.pfc_sent()), array(s.pfc_received())); })
      .def("pg_columns", [](const Simulation& s) {
        using raddle::PriorityGroup;
        return nb::make_tuple(
            gather<std::int64_t>(s.pgs(), [](const PriorityGroup& pg) { return pg.used + pg.headroom; }),
            array(s.pg_max_bytes()),
            gather<std::int64_t>(s.pgs(), [](const PriorityGroup& pg) { return pg.headroom; }),
            gather<std::int64_t>(s.headroom_marks(), [](const raddle::HeadroomMarks& most) { return most.max_headroom; }));
      })
      .def("paused", [](const Simulation& s) {
        return gather<std::uint8_t>(s.ports(), [](const raddle::Port& port) { return port.paused; });
      })
      .def("watchdog_columns", [](const Simulation& s) {
        using raddle::WatchdogQueue;
        const auto& queues = s.watchdog_queues();
        return nb::make_tuple(gather<std::uint8_t>(queues, [](const WatchdogQueue& q) { return q.is_storm; }),
                              gather<std::uint32_t>(queues, [](const WatchdogQueue& q) { return q.detected; }),
                              gather<std::uint32_t>(queues, [](const WatchdogQueue& q) { return q.restored; }));
      })
      .def("storm_columns", [](const Simulation& s, bool is_latest) {
        using raddle::StormCounts;
        const std::vector<StormCounts> counts = s.storm_counts(is_latest);
        return nb::make_tuple(gather<std::uint64_t>(counts, [](const StormCounts& c) { return c.tx; }),
                              gather<std::uint64_t>(counts, [](const StormCounts& c) { return c.tx_dropped; }),
                              gather<std::uint64_t>(counts, [](const StormCounts& c) { return c.rx; }),
                              gather<std::uint64_t>(counts, [](const StormCounts& c) { return c.rx_dropped; }));
      }, "is_latest"_a)
      .def("watchdog_events", [](const Simulation& s) {
        using raddle::WatchdogEvent;
        const auto& events = s.watchdog_events();
        return nb::make_tuple(gather<std::int64_t>(events, [](const WatchdogEvent& e) { return e.time; }),
                              gather<std::uint32_t>(events, [](const WatchdogEvent& e) { return e.port; }),
                              gather<std::uint8_t>(events, [](const WatchdogEvent& e) { return e.queue; }),
                              gather<std::uint8_t>(events, [](const WatchdogEvent& e) { return e.is_storm; }));
      })
      .def("drops", [](const Simulation& s) { return array(s.drops()); });
  bind_fluid(m);
}
