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
                            const Column<std::int64_t>& endpoint_bus_bps, unsigned threads) {
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
                                .endpoint_bus = values(endpoint_bus_bps)};
  for (std::size_t i = 0; i < ports; ++i) {
    network.ports.push_back({port_node(i), port_peer(i), port_bps(i), port_propagation_ps(i)});
  }
  raddle::Workload work{values(qp_src), values(qp_dst), values(qp_hash), values(qp_ack_hash), values(qp_dscp),
                        values(qp_priority), values(flow_qp), values(flow_bytes), values(flow_start_ps),
                        values(dep_offsets), values(dep_ids), values(qp_src_rank), values(qp_dst_rank),
                        scale_up != nullptr ? *scale_up : raddle::ScaleUpConfig{}, values(flow_delay_ps)};
  return new Simulation(network, work, threads);
}

void set_switch(Simulation& simulation, std::uint32_t index, std::uint32_t hash_seed, const Column<std::uint32_t>& fib,
                const Column<std::uint32_t>& group_offsets, const Column<std::uint32_t>& group_ports,
                const Column<std::uint8_t>& port_up, const Column<std::uint8_t>& pfc_enable,
                const Column<std::uint32_t>& port_qos, const Table<std::uint32_t>& pg_profile,
                const Table<std::uint32_t>& queue_profile, const Table<std::uint32_t>& queue_wred,
                const Table<std::uint32_t>& queue_weight, const Table<std::uint8_t>& qos,
                const Table<std::int64_t>& pools, const Table<std::int64_t>& profiles,
                const Table<double>& wred, const std::optional<Table<std::int64_t>>& watchdog, std::uint32_t hash_offset,
                std::uint32_t hash_class, const std::optional<Column<std::uint32_t>>& port_mtu,
                bool pauses_at_threshold, bool marks_at_dequeue,
                bool releases_at_end, const std::optional<Column<std::uint32_t>>& policies,
                const raddle::ArsConfig* ars) {
  raddle::SwitchConfig config;
  config.hash_seed = hash_seed;
  config.hash_offset = hash_offset;
  config.hash_class = hash_class;
  config.pauses_at_threshold = pauses_at_threshold;
  config.marks_at_dequeue = marks_at_dequeue;
  config.releases_at_end = releases_at_end;
  config.fib = values(fib);
  config.group_offsets = values(group_offsets);
  config.group_ports = values(group_ports);
  if (policies) config.policies = values(*policies);
  if (ars != nullptr) config.ars = *ars;
  require(qos.shape(1) == raddle::dscps + 3 * raddle::priorities, "qos must have 88 columns");
  require(pools.shape(1) == 2 && profiles.shape(1) == 8 && wred.shape(1) == 4, "bad table width");
  require(!watchdog || (watchdog->shape(1) == 5 && (watchdog->shape(0) == 0 || watchdog->shape(0) == port_up.size())),
          "watchdog must have 5 columns and a row per port, or none");
  require(pfc_enable.size() == port_up.size() && port_qos.size() == port_up.size(), "port columns must have one length");
  for (const auto* table : {&pg_profile, &queue_profile, &queue_wred, &queue_weight}) {
    require(table->shape(0) == port_up.size() && table->shape(1) == raddle::priorities,
            "tables by port and priority must have a row per port and 8 columns");
  }
  require(!port_mtu || port_mtu->size() == port_up.size(), "port_mtu must have an entry per port");
  for (std::size_t i = 0; i < port_up.size(); ++i) {
    raddle::SwitchPortConfig port{.is_up = port_up(i) != 0, .pfc_enable = pfc_enable(i), .qos = port_qos(i),
                                  .pg_profile = {}, .queue_profile = {}, .queue_wred = {}, .queue_weight = {}};
    for (std::size_t q = 0; q < raddle::priorities; ++q) {
      port.pg_profile[q] = pg_profile(i, q);
      port.queue_profile[q] = queue_profile(i, q);
      port.queue_wred[q] = queue_wred(i, q);
      port.queue_weight[q] = queue_weight(i, q);
    }
    if (watchdog && watchdog->shape(0) > 0) {
      const auto& dog = *watchdog;
      require(dog(i, 4) >= 0 && dog(i, 4) <= 2, "watchdog action out of range");
      port.watchdog = {static_cast<std::uint8_t>(dog(i, 0)), dog(i, 1), dog(i, 2), dog(i, 3),
                       static_cast<raddle::WatchdogAction>(dog(i, 4))};
    }
    if (port_mtu) port.mtu = (*port_mtu)(i);
    config.ports.push_back(port);
  }
  for (std::size_t i = 0; i < qos.shape(0); ++i) {
    raddle::QosMap map{};
    for (std::size_t d = 0; d < raddle::dscps; ++d) map.dscp_to_tc[d] = qos(i, d);
    for (std::size_t t = 0; t < raddle::priorities; ++t) {
      map.tc_to_queue[t] = qos(i, raddle::dscps + t);
      map.tc_to_pg[t] = qos(i, raddle::dscps + raddle::priorities + t);
      map.pfc_to_queue[t] = qos(i, raddle::dscps + 2 * raddle::priorities + t);
    }
    config.qos.push_back(map);
  }
  for (std::size_t i = 0; i < pools.shape(0); ++i) config.pools.push_back({pools(i, 0), pools(i, 1)});
  for (std::size_t i = 0; i < profiles.shape(0); ++i) {
    require(profiles(i, 0) >= 0 && profiles(i, 0) <= UINT32_MAX, "buffer profile of no pool");
    config.profiles.push_back({static_cast<std::uint32_t>(profiles(i, 0)), profiles(i, 1), profiles(i, 2) != 0,
                               static_cast<int>(profiles(i, 3)), profiles(i, 4), profiles(i, 5), profiles(i, 6),
                               profiles(i, 7)});
  }
  for (std::size_t i = 0; i < wred.shape(0); ++i) {
    config.wred.push_back({static_cast<std::int64_t>(wred(i, 0)), static_cast<std::int64_t>(wred(i, 1)), wred(i, 2),
                           wred(i, 3) == 1, wred(i, 3) == 2});
  }
  simulation.set_switch(index, config);
}

void bind_nic(nb::module_& m) {
  using raddle::NicConfig;
  nb::class_<NicConfig>(m, "NicConfig")
      .def(nb::init<>())
      .def_rw("mtu_bytes", &NicConfig::mtu)
      .def_rw("header_bytes", &NicConfig::header_bytes)
      .def_rw("ack_bytes", &NicConfig::ack_bytes)
      .def_rw("cnp_bytes", &NicConfig::cnp_bytes)
      .def_rw("gap_bytes", &NicConfig::gap_bytes)
      .def_rw("pause_bytes", &NicConfig::pause_bytes)
      .def_rw("pause_quanta", &NicConfig::pause_quanta)
      .def_rw("ack_interval", &NicConfig::ack_interval)
      .def_rw("window_bytes", &NicConfig::window)
      .def_rw("messages", &NicConfig::messages)
      .def_rw("burst_packets", &NicConfig::burst)
      .def_rw("class_weights", &NicConfig::class_weights)
      .def_rw("is_selective", &NicConfig::is_selective)
      .def_rw("reorder_packets", &NicConfig::reorder)
      .def_rw("rto_ps", &NicConfig::retransmit_timeout)
      .def_rw("retry_count", &NicConfig::retry_count)
      .def_rw("cnp_interval_ps", &NicConfig::cnp_interval)
      .def_rw("pfc_reaction_ps", &NicConfig::pfc_reaction)
      .def_rw("is_dcqcn", &NicConfig::is_dcqcn)
      .def_rw("cnp_dscp", &NicConfig::cnp_dscp)
      .def_rw("cnp_priority", &NicConfig::cnp_priority)
      .def_rw("ack_dscp", &NicConfig::ack_dscp)
      .def_rw("ack_priority", &NicConfig::ack_priority)
      .def_rw("completes_on_ack", &NicConfig::completes_on_ack)
      .def_rw("acks_carry_cnp", &NicConfig::acks_carry_cnp)
      .def_rw("pause_delay_ps", &NicConfig::pause_delay)
      .def_rw("clock_ps", &NicConfig::clock)
      .def("set_dcqcn", [](NicConfig& nic, double g, std::int64_t alpha_timer_ps, std::int64_t rate_timer_ps,
                           std::int64_t byte_counter_bytes, int fast_recovery_steps, double rate_ai_bps,
                           double rate_hai_bps, double min_rate_bps, bool clamps_target,
                           std::int64_t decrease_timer_ps) {
        nic.dcqcn = {g, alpha_timer_ps, rate_timer_ps, byte_counter_bytes, fast_recovery_steps, rate_ai_bps,
                     rate_hai_bps, min_rate_bps, clamps_target, decrease_timer_ps};
      }, nb::kw_only(), "g"_a, "alpha_timer_ps"_a, "rate_timer_ps"_a, "byte_counter_bytes"_a,
         "fast_recovery_steps"_a, "rate_ai_bps"_a, "rate_hai_bps"_a, "min_rate_bps"_a, "clamps_target"_a,
         "decrease_timer_ps"_a);
}

}  // namespace

NB_MODULE(_core, m) {
  m.attr("NONE") = nb::int_(raddle::none);
  m.attr("NEVER") = nb::int_(raddle::never);
  bind_nic(m);
  bind_ars(m);
  bind_scale_up(m);
  const auto column = [](const char* name) { return nb::arg(name).noconvert(); };
  nb::class_<Simulation> simulation(m, "Simulation");
  bind_acl(simulation);
  simulation
      .def(nb::new_(&make_simulation), nb::kw_only(), "endpoints"_a, "seed"_a, "nic"_a, column("pipeline_ps"),
           column("port_node"), column("port_peer"), column("port_bps"), column("port_propagation_ps"),
           column("qp_src"), column("qp_dst"), column("qp_hash"), column("qp_ack_hash"), column("qp_dscp"),
           column("qp_priority"), column("flow_qp"), column("flow_bytes"), column("flow_start_ps"),
           column("dep_offsets"), column("dep_ids"), nb::arg("cuts_through").noconvert() = nb::none(),
           column("qp_src_rank"), column("qp_dst_rank"), nb::arg("scale_up").none() = nb::none(),
           column("flow_delay_ps"), column("endpoint_bus_bps"), "threads"_a = 1)
      .def("set_switch", &set_switch, nb::kw_only(), "index"_a, "hash_seed"_a, column("fib"), column("group_offsets"),
           column("group_ports"), column("port_up"), column("pfc_enable"), column("port_qos"), column("pg_profile"),
           column("queue_profile"), column("queue_wred"), column("queue_weight"), column("qos"), column("pools"),
           column("profiles"), column("wred"), nb::arg("watchdog").noconvert() = nb::none(), "hash_offset"_a = 0,
           "hash_class"_a = 0,
           nb::arg("port_mtu").noconvert() = nb::none(), "pauses_at_threshold"_a = false, "marks_at_dequeue"_a = false,
           "releases_at_end"_a = false, nb::arg("policies").noconvert() = nb::none(),
           nb::arg("ars").none() = nb::none())
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
      .def("set_bit_errors", &Simulation::set_bit_errors, "port"_a, "ratio"_a)
      .def("set_storm", &Simulation::set_storm, "port"_a, "priorities"_a)
      .def("set_receiver", &Simulation::set_receiver, "port"_a, "bps"_a, "buffer_bytes"_a, "xoff_bytes"_a,
           "xon_bytes"_a)
      .def("add_hashes", [](Simulation& s, const Column<std::uint32_t>& data, const Column<std::uint32_t>& acks) {
        return s.add_hashes(values(data), values(acks));
      }, column("data"), column("acks"))
      .def("advance", &Simulation::advance, "until_ps"_a, "max_events"_a, nb::call_guard<nb::gil_scoped_release>())
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
            array(s.pg_max_bytes()));
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
