// Mark ECN, count, send postcards, and put a header on what goes to the controller.

control fabric_egress(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t standard) {
    counter(512, CounterType.packets_and_bytes) port_tx;
    counter(4096, CounterType.packets_and_bytes) class_tx; // index: port * 8 + traffic class
    counter(4096, CounterType.packets) class_marked;       // the same index

    bit<19> min_depth = 0;
    bit<19> max_depth = 0;
    bit<16> probability = 0;

    // Depths are packets in the queue; `probability` is out of 65535 and reached at `max_depth`.
    action set_ecn(bit<19> min, bit<19> max, bit<16> p) {
        min_depth = min;
        max_depth = max;
        probability = p;
    }

    table ecn {
        key = { meta.tc: exact @name("tc"); }
        actions = { set_ecn; NoAction; }
        const default_action = NoAction;
        size = 8;
    }

    action mark() {
        if (hdr.ipv4.isValid()) {
            hdr.ipv4.ecn = CE;
        } else {
            hdr.ipv6.ecn = CE;
        }
    }

    bit<24> psn_mask = 0;

    // RoCE packets whose PSN has none of these bits, and all others, so that every switch reports the same ones.
    action report(bit<24> mask) {
        psn_mask = mask;
    }

    // Packets of which a postcard goes to the controller (INT's flow watchlist).
    table watch {
        key = {
            meta.src: ternary @name("src") @format(IPV6_ADDRESS);
            meta.dst: ternary @name("dst") @format(IPV6_ADDRESS);
            meta.protocol: ternary @name("protocol");
            meta.src_port: ternary @name("src_port");
            meta.dest_qp: ternary @name("dest_qp");
        }
        actions = { report; NoAction; }
        const default_action = NoAction;
        size = WATCHED;
    }

    // What goes up has a header: a trapped packet its port, a postcard what its packet met.
    action hand_up() {
        hdr.packet_in.setValid();
        hdr.packet_in = { standard.ingress_port, 0, 0, 0, 0, 0, 0, 0, 0 };
    }

    action hand_up_postcard() {
        hdr.packet_in.setValid();
        hdr.packet_in = { meta.seen_ingress_port, 1, meta.seen_egress_port, meta.seen_queue, meta.seen_depth, 0,
                          meta.seen_queue_us, meta.seen_hop_us, meta.seen_ingress_us };
        truncate(POSTCARD_BYTES);
    }

    // A copy of the packet as it leaves.
    action send_postcard() {
        meta.seen_ingress_port = standard.ingress_port;
        meta.seen_egress_port = standard.egress_port;
        meta.seen_queue = standard.priority;
        meta.seen_depth = standard.enq_qdepth;
        meta.seen_queue_us = standard.deq_timedelta;
        meta.seen_hop_us = (bit<32>)(standard.egress_global_timestamp - standard.ingress_global_timestamp);
        meta.seen_ingress_us = standard.ingress_global_timestamp;
        clone_preserving_field_list(CloneType.E2E, POSTCARD_SESSION, POSTCARD_FIELDS);
    }

    apply {
        if (standard.instance_type == EGRESS_CLONE) {
            hand_up_postcard();
            exit;
        }
        if (standard.egress_port == CPU_PORT) {
            hand_up();
            exit;
        }
        bit<32> class_index = ((bit<32>)standard.egress_port << 3) | (bit<32>)meta.tc;
        bool is_ect = (hdr.ipv4.isValid() && hdr.ipv4.ecn != NOT_ECT) ||
                      (hdr.ipv6.isValid() && hdr.ipv6.ecn != NOT_ECT);
        if (is_ect && ecn.apply().hit) {
            bit<19> depth = standard.enq_qdepth;
            bool is_marked = depth >= max_depth;
            if (!is_marked && depth > min_depth) {
                bit<16> draw;
                random(draw, 16w0, 16w65535);
                is_marked = (bit<48>)(depth - min_depth) * (bit<48>)probability >
                            (bit<48>)(max_depth - min_depth) * (bit<48>)draw;
            }
            // What came in marked was marked, and counted, by an earlier switch.
            bool is_ce = (hdr.ipv4.isValid() && hdr.ipv4.ecn == CE) || (hdr.ipv6.isValid() && hdr.ipv6.ecn == CE);
            if (is_marked && !is_ce) {
                mark();
                class_marked.count(class_index);
            }
        }
        port_tx.count((bit<32>)standard.egress_port);
        class_tx.count(class_index);
        if (watch.apply().hit && meta.psn & psn_mask == 0) {
            send_postcard();
        }
    }
}
