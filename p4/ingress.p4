// Classify by DSCP, find the next hop (pins first, then the longest prefix), filter, rewrite.

control fabric_ingress(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t standard) {
    counter(512, CounterType.packets_and_bytes) port_rx;
    direct_counter(CounterType.packets_and_bytes) pin_flow_counter;
    direct_counter(CounterType.packets_and_bytes) pin_qp_counter;
    direct_counter(CounterType.packets_and_bytes) pin_pair_counter;
    direct_counter(CounterType.packets_and_bytes) pin_dst_counter;
    direct_counter(CounterType.packets_and_bytes) acl_counter;
    @max_group_size(GROUP_SIZE)
    action_selector(HashAlgorithm.identity, GROUP_MEMBERS, 32) next_hops;

    // Down ports, by number: set by a packet of what stands beside the switch, at the port's own event, so that
    // the packets of a dead port take their backup without the controller.
    register<bit<1>>(512) port_down;
    // Packets to the controller by the port that they came in at; without a configuration all pass.
    meter(512, MeterType.packets) cpu_meter;
    counter(16, CounterType.packets) dropped; // index: Reason

    action drop() {
        meta.to_controller = 0;
        meta.reason = Reason.ACL_DROP;
    }

    // To the controller, as it came in.
    action trap() {
        meta.to_controller = 1;
        meta.reason = Reason.NONE;
    }

    action set_next_hop(bit<9> port, @format(MAC_ADDRESS) bit<48> dst_mac) {
        meta.next_port = port;
        meta.next_mac = dst_mac;
    }

    // While the port is down, packets take another next hop of the same route.
    action set_next_hop_or(bit<9> port, @format(MAC_ADDRESS) bit<48> dst_mac, bit<9> backup_port,
                           @format(MAC_ADDRESS) bit<48> backup_mac) {
        set_next_hop(port, dst_mac);
        meta.has_backup = 1;
        meta.backup_port = backup_port;
        meta.backup_mac = backup_mac;
    }

    action configure(@format(MAC_ADDRESS) bit<48> switch_mac, bit<32> hash_seed, bit<1> hash_on_qp,
                     bit<5> hash_offset) {
        meta.switch_mac = switch_mac;
        meta.hash_seed = hash_seed;
        meta.hash_on_qp = hash_on_qp;
        meta.hash_offset = hash_offset;
    }

    // What is one per switch; the controller sets the default action.
    table switch_config {
        actions = { configure; }
        default_action = configure(0, 0, 0, 0);
        size = 1;
    }

    action set_class(bit<3> tc, bit<3> queue) {
        meta.tc = tc;
        standard.priority = queue;
    }

    table dscp_to_tc {
        key = { meta.dscp: exact @name("dscp"); }
        actions = { set_class; }
        default_action = set_class(0, 0);
        size = 64;
    }

    // A flow, by UDP or TCP source port.
    table pin_flow {
        key = {
            meta.src: exact @name("src") @format(IPV6_ADDRESS);
            meta.dst: exact @name("dst") @format(IPV6_ADDRESS);
            meta.flow_src_port: exact @name("src_port");
        }
        actions = { set_next_hop; set_next_hop_or; NoAction; }
        const default_action = NoAction;
        counters = pin_flow_counter;
        size = PINS;
    }

    // A queue pair, by its number at the receiver.
    table pin_qp {
        key = {
            meta.dst: exact @name("dst") @format(IPV6_ADDRESS);
            meta.dest_qp: exact @name("dest_qp");
        }
        actions = { set_next_hop; set_next_hop_or; NoAction; }
        const default_action = NoAction;
        counters = pin_qp_counter;
        size = PINS;
    }

    table pin_pair {
        key = {
            meta.src: exact @name("src") @format(IPV6_ADDRESS);
            meta.dst: exact @name("dst") @format(IPV6_ADDRESS);
        }
        actions = { set_next_hop; set_next_hop_or; NoAction; }
        const default_action = NoAction;
        counters = pin_pair_counter;
        size = PINS;
    }

    table pin_dst {
        key = { meta.dst: exact @name("dst") @format(IPV6_ADDRESS); }
        actions = { set_next_hop; set_next_hop_or; NoAction; }
        const default_action = NoAction;
        counters = pin_dst_counter;
        size = PINS;
    }

    table ipv4_route {
        key = {
            hdr.ipv4.dst: lpm @name("dst") @format(IPV4_ADDRESS);
            meta.flow_hash: selector;
        }
        actions = { set_next_hop; set_next_hop_or; trap; drop; }
        implementation = next_hops;
        size = IPV4_ROUTES;
    }

    table ipv6_route {
        key = {
            hdr.ipv6.dst: lpm @name("dst") @format(IPV6_ADDRESS);
            meta.flow_hash: selector;
        }
        actions = { set_next_hop; set_next_hop_or; trap; drop; }
        implementation = next_hops;
        size = IPV6_ROUTES;
    }

    table acl {
        key = {
            standard.ingress_port: ternary @name("in_port");
            meta.ether_type: ternary @name("ether_type");
            meta.src: ternary @name("src") @format(IPV6_ADDRESS);
            meta.dst: ternary @name("dst") @format(IPV6_ADDRESS);
            meta.protocol: ternary @name("protocol");
            meta.src_port: ternary @name("src_port");
            meta.dst_port: ternary @name("dst_port");
            meta.dscp: ternary @name("dscp");
        }
        actions = { drop; trap; NoAction; }
        const default_action = NoAction;
        counters = acl_counter;
        size = ACL_ENTRIES;
    }

    // The hash of raddle's simulator: CRC-32 (IEEE 802.3) over seed and 5-tuple, in the order of the wire.
    action hash_ipv4() {
        hash(meta.flow_hash, HashAlgorithm.crc32, (bit<33>)0,
            { meta.hash_seed, hdr.ipv4.src, hdr.ipv4.dst, meta.protocol, meta.flow_src_port, meta.flow_dst_port },
            (bit<33>)0x100000000);
    }

    action hash_ipv4_qp() {
        hash(meta.flow_hash, HashAlgorithm.crc32, (bit<33>)0,
            { meta.hash_seed, hdr.ipv4.src, hdr.ipv4.dst, meta.protocol, meta.flow_src_port, meta.flow_dst_port,
              meta.dest_qp },
            (bit<33>)0x100000000);
    }

    action hash_ipv6() {
        hash(meta.flow_hash, HashAlgorithm.crc32, (bit<33>)0,
            { meta.hash_seed, hdr.ipv6.src, hdr.ipv6.dst, meta.protocol, meta.flow_src_port, meta.flow_dst_port },
            (bit<33>)0x100000000);
    }

    action hash_ipv6_qp() {
        hash(meta.flow_hash, HashAlgorithm.crc32, (bit<33>)0,
            { meta.hash_seed, hdr.ipv6.src, hdr.ipv6.dst, meta.protocol, meta.flow_src_port, meta.flow_dst_port,
              meta.dest_qp },
            (bit<33>)0x100000000);
    }

    // The ports of a whole datagram. What has none, and what is cut in pieces, has its IPv6 flow label instead
    // (RFC 6438), so that all pieces go one way.
    action set_flow_ports() {
        meta.flow_src_port = meta.src_port;
        meta.flow_dst_port = meta.dst_port;
    }

    action set_flow_label() {
        meta.flow_src_port = hdr.ipv6.flow_label[15:0];
        meta.flow_dst_port = (bit<16>)hdr.ipv6.flow_label[19:16];
    }

    action hash_flow() {
        meta.flow_hash = (meta.flow_hash >> meta.hash_offset) |
                         (meta.flow_hash << (6w32 - (bit<6>)meta.hash_offset));
    }

    // Multicast, broadcast, reserved, loopback and unspecified addresses (RFC 1812, section 5.3.7; RFC 4291),
    // and link-local ones.
    bool is_martian = false;

    action look_at_ipv4() {
        is_martian = hdr.ipv4.dst[31:28] >= 14 || hdr.ipv4.dst[31:24] == 127 || hdr.ipv4.dst[31:24] == 0 ||
                     hdr.ipv4.src[31:28] >= 14 || hdr.ipv4.src[31:24] == 127 || hdr.ipv4.src[31:24] == 0 ||
                     hdr.ipv4.dst[31:16] == 0xa9fe || hdr.ipv4.src[31:16] == 0xa9fe;
    }

    action look_at_ipv6() {
        is_martian = hdr.ipv6.dst[127:120] == 0xff || hdr.ipv6.src[127:120] == 0xff ||
                     hdr.ipv6.dst[127:118] == 0x3fa || hdr.ipv6.src[127:118] == 0x3fa ||
                     hdr.ipv6.dst[127:1] == 0 || hdr.ipv6.src[127:1] == 0;
    }

    apply {
        if (hdr.packet_out.isValid()) {
            if (hdr.packet_out.port_event == PORT_DOWN) {
                port_down.write((bit<32>)hdr.packet_out.egress_port, 1);
                mark_to_drop(standard);
            } else if (hdr.packet_out.port_event == PORT_UP) {
                port_down.write((bit<32>)hdr.packet_out.egress_port, 0);
                mark_to_drop(standard);
            } else {
                standard.egress_spec = hdr.packet_out.egress_port;
            }
            hdr.packet_out.setInvalid();
            exit;
        }
        port_rx.count((bit<32>)standard.ingress_port);
        if (standard.parser_error != error.NoError) {
            meta.reason = Reason.BROKEN_HEADER;
        } else if (standard.packet_length < meta.ip_length) {
            meta.reason = Reason.BROKEN_HEADER;
        } else if (hdr.ipv4.isValid() && standard.checksum_error == 1) {
            meta.reason = Reason.BAD_CHECKSUM;
        } else if (hdr.vlan.isValid() && hdr.vlan.vid != 0) {
            meta.reason = Reason.FOREIGN_VLAN;
        } else {
            switch_config.apply();
            dscp_to_tc.apply();
            if (hdr.ipv4.isValid()) { look_at_ipv4(); } else if (hdr.ipv6.isValid()) { look_at_ipv6(); }
            bool is_ip = hdr.ipv4.isValid() || hdr.ipv6.isValid();
            // Nothing is bridged: what is not for the router is for the ACL or for nobody.
            if (!is_ip || hdr.ethernet.dst != meta.switch_mac) {
                meta.reason = Reason.NOT_FOR_ROUTER;
            } else if (is_martian) {
                meta.reason = Reason.MARTIAN;
            } else {
                bool is_whole = meta.has_ports == 1 && meta.is_fragment == 0;
                if (is_whole) {
                    set_flow_ports();
                } else if (hdr.ipv6.isValid()) {
                    set_flow_label();
                }
                if (hdr.ipv4.isValid()) {
                    if (meta.hash_on_qp == 1 && hdr.bth.isValid()) { hash_ipv4_qp(); } else { hash_ipv4(); }
                } else {
                    if (meta.hash_on_qp == 1 && hdr.bth.isValid()) { hash_ipv6_qp(); } else { hash_ipv6(); }
                }
                hash_flow();
                bool is_pinned = false;
                if (is_whole) {
                    is_pinned = pin_flow.apply().hit;
                }
                if (!is_pinned && hdr.bth.isValid()) {
                    is_pinned = pin_qp.apply().hit;
                }
                if (!is_pinned) {
                    is_pinned = pin_pair.apply().hit;
                }
                if (!is_pinned) {
                    is_pinned = pin_dst.apply().hit;
                }
                // A pin whose ports are down is none: its packets take the route's next hops, whose plan is proved.
                if (is_pinned) {
                    bit<1> is_pin_down;
                    port_down.read(is_pin_down, (bit<32>)meta.next_port);
                    if (is_pin_down == 1 && meta.has_backup == 1) {
                        port_down.read(is_pin_down, (bit<32>)meta.backup_port);
                    }
                    if (is_pin_down == 1) {
                        is_pinned = false;
                        meta.has_backup = 0;
                    }
                }
                bool is_routed = is_pinned;
                if (!is_pinned) {
                    if (hdr.ipv4.isValid()) {
                        is_routed = ipv4_route.apply().hit;
                    } else {
                        is_routed = ipv6_route.apply().hit;
                    }
                }
                if (!is_routed || meta.reason == Reason.ACL_DROP) {
                    meta.reason = Reason.NO_ROUTE;
                } else if (meta.to_controller == 0 && meta.ttl <= 1) {
                    meta.reason = Reason.TTL_EXCEEDED;
                }
            }
            acl.apply();
        }
        if (meta.reason == Reason.NONE && meta.to_controller == 0) {
            bit<1> is_down;
            port_down.read(is_down, (bit<32>)meta.next_port);
            if (is_down == 1 && meta.has_backup == 1) {
                meta.next_port = meta.backup_port;
                meta.next_mac = meta.backup_mac;
                port_down.read(is_down, (bit<32>)meta.next_port);
            }
            if (is_down == 1) {
                meta.reason = Reason.PORT_DOWN;
            }
        }
        if (meta.to_controller == 1) {
            bit<2> color;
            cpu_meter.execute_meter<bit<2>>((bit<32>)standard.ingress_port, color);
            if (color == 2) {
                meta.reason = Reason.CPU_POLICED;
            }
        }
        if (meta.reason != Reason.NONE) {
            dropped.count((bit<32>)(bit<8>)meta.reason);
            mark_to_drop(standard);
        } else if (meta.to_controller == 1) {
            standard.egress_spec = CPU_PORT;
        } else {
            // A priority tag ends here, as its class is the DSCP's.
            if (hdr.vlan.isValid()) {
                hdr.ethernet.ether_type = hdr.vlan.ether_type;
                hdr.vlan.setInvalid();
            }
            hdr.ethernet.src = meta.switch_mac;
            hdr.ethernet.dst = meta.next_mac;
            standard.egress_spec = meta.next_port;
            if (hdr.ipv4.isValid()) {
                hdr.ipv4.ttl = hdr.ipv4.ttl - 1;
            } else {
                hdr.ipv6.hop_limit = hdr.ipv6.hop_limit - 1;
            }
        }
    }
}
