// Mark ECN, count, and put a header on what goes to the controller.

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

    apply {
        if (standard.egress_port == CPU_PORT) {
            hdr.packet_in.setValid();
            hdr.packet_in.ingress_port = standard.ingress_port;
            hdr.packet_in.pad = 0;
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
    }
}
