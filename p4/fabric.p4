// The forwarding of an AI fabric's leaf or spine: P4_16 for the v1model architecture.
//
// Ingress: parse, classify by DSCP, find the next hop (pins first, then the longest prefix), rewrite, filter.
// Egress: mark ECN, count, and put a header on what goes to the controller.
//
// Sizes of tables are macros, so that `scripts/compile-p4 -D IPV4_ROUTES=131072` fits another switch. BMv2
// takes what the program says; without a size it would take 1024 entries and refuse the next one.

#include <core.p4>
#include <v1model.p4>

#ifndef IPV4_ROUTES
#define IPV4_ROUTES 65536
#endif
#ifndef IPV6_ROUTES
#define IPV6_ROUTES 32768
#endif
#ifndef PINS
#define PINS 65536
#endif
#ifndef GROUP_MEMBERS
#define GROUP_MEMBERS 16384
#endif
#ifndef GROUP_SIZE
#define GROUP_SIZE 512
#endif
#ifndef ACL_ENTRIES
#define ACL_ENTRIES 1024
#endif
#ifndef CPU_PORT
#define CPU_PORT 510
#endif

const bit<16> ETHERTYPE_VLAN = 0x8100;
const bit<16> ETHERTYPE_IPV4 = 0x0800;
const bit<16> ETHERTYPE_IPV6 = 0x86dd;
const bit<8> PROTOCOL_TCP = 6;
const bit<8> PROTOCOL_UDP = 17;
const bit<16> UDP_PORT_ROCE = 4791; // RoCEv2, InfiniBand Annex A17
const bit<2> NOT_ECT = 0;           // RFC 3168, section 5
const bit<2> CE = 3;
const bit<128> IPV4_MAPPED = 0xffff00000000; // ::ffff:0:0/96, RFC 4291, section 2.5.5.2

header ethernet_t {
    bit<48> dst;
    bit<48> src;
    bit<16> ether_type;
}

header vlan_t {
    bit<3>  pcp;
    bit<1>  dei;
    bit<12> vid;
    bit<16> ether_type;
}

header ipv4_t {
    bit<4>  version;
    bit<4>  ihl;
    bit<6>  dscp;
    bit<2>  ecn;
    bit<16> total_length;
    bit<16> identification;
    bit<3>  flags;
    bit<13> fragment_offset;
    bit<8>  ttl;
    bit<8>  protocol;
    bit<16> checksum;
    bit<32> src;
    bit<32> dst;
}

header ipv6_t {
    bit<4>   version;
    bit<6>   dscp;
    bit<2>   ecn;
    bit<20>  flow_label;
    bit<16>  payload_length;
    bit<8>   next_header;
    bit<8>   hop_limit;
    bit<128> src;
    bit<128> dst;
}

// The ports stand first in UDP and in TCP alike.
header tcp_t {
    bit<16> src_port;
    bit<16> dst_port;
}

header udp_t {
    bit<16> src_port;
    bit<16> dst_port;
    bit<16> length;
    bit<16> checksum;
}

// InfiniBand base transport header (IBTA volume 1, section 9.2).
header bth_t {
    bit<8>  opcode;
    bit<1>  solicited;
    bit<1>  migration;
    bit<2>  pad_count;
    bit<4>  version;
    bit<16> pkey;
    bit<8>  reserved;
    bit<24> dest_qp;
    bit<1>  ack_request;
    bit<7>  reserved2;
    bit<24> psn;
}

@controller_header("packet_in")
header packet_in_t {
    bit<9> ingress_port;
    bit<7> pad;
}

@controller_header("packet_out")
header packet_out_t {
    bit<9> egress_port;
    bit<7> pad;
}

struct headers_t {
    packet_out_t packet_out;
    packet_in_t  packet_in;
    ethernet_t   ethernet;
    vlan_t       vlan;
    ipv4_t       ipv4;
    ipv6_t       ipv6;
    tcp_t        tcp;
    udp_t        udp;
    bth_t        bth;
}

// `src` and `dst` are IPv6 addresses, or IPv4 ones in their mapped form, so that a pin or an ACL entry has one
// shape for both.
struct metadata_t {
    bit<16>  ether_type;
    bit<128> src;
    bit<128> dst;
    bit<8>   protocol;
    bit<6>   dscp;
    bit<8>   ttl;
    bit<16>  src_port;
    bit<16>  dst_port;
    bit<24>  dest_qp;
    bit<32>  hash_seed;
    bit<1>   hash_on_qp;
    bit<48>  switch_mac;
    bit<32>  flow_hash;
    bit<3>   tc;
}

parser fabric_parser(packet_in packet, out headers_t hdr, inout metadata_t meta,
                     inout standard_metadata_t standard) {
    state start {
        transition select(standard.ingress_port) {
            CPU_PORT: parse_packet_out;
            default: parse_ethernet;
        }
    }
    state parse_packet_out {
        packet.extract(hdr.packet_out);
        transition parse_ethernet;
    }
    state parse_ethernet {
        packet.extract(hdr.ethernet);
        meta.ether_type = hdr.ethernet.ether_type;
        transition select(hdr.ethernet.ether_type) {
            ETHERTYPE_VLAN: parse_vlan;
            ETHERTYPE_IPV4: parse_ipv4;
            ETHERTYPE_IPV6: parse_ipv6;
            default: accept;
        }
    }
    state parse_vlan {
        packet.extract(hdr.vlan);
        meta.ether_type = hdr.vlan.ether_type;
        transition select(hdr.vlan.ether_type) {
            ETHERTYPE_IPV4: parse_ipv4;
            ETHERTYPE_IPV6: parse_ipv6;
            default: accept;
        }
    }
    state parse_ipv4 {
        packet.extract(hdr.ipv4);
        meta.src = IPV4_MAPPED | (bit<128>)hdr.ipv4.src;
        meta.dst = IPV4_MAPPED | (bit<128>)hdr.ipv4.dst;
        meta.protocol = hdr.ipv4.protocol;
        meta.dscp = hdr.ipv4.dscp;
        meta.ttl = hdr.ipv4.ttl;
        // Options and later fragments: the ports are not where they are looked for.
        transition select(hdr.ipv4.ihl, hdr.ipv4.fragment_offset, hdr.ipv4.protocol) {
            (5, 0, PROTOCOL_TCP): parse_tcp;
            (5, 0, PROTOCOL_UDP): parse_udp;
            default: accept;
        }
    }
    state parse_ipv6 {
        packet.extract(hdr.ipv6);
        meta.src = hdr.ipv6.src;
        meta.dst = hdr.ipv6.dst;
        meta.protocol = hdr.ipv6.next_header;
        meta.dscp = hdr.ipv6.dscp;
        meta.ttl = hdr.ipv6.hop_limit;
        transition select(hdr.ipv6.next_header) {
            PROTOCOL_TCP: parse_tcp;
            PROTOCOL_UDP: parse_udp;
            default: accept;
        }
    }
    state parse_tcp {
        packet.extract(hdr.tcp);
        meta.src_port = hdr.tcp.src_port;
        meta.dst_port = hdr.tcp.dst_port;
        transition accept;
    }
    state parse_udp {
        packet.extract(hdr.udp);
        meta.src_port = hdr.udp.src_port;
        meta.dst_port = hdr.udp.dst_port;
        transition select(hdr.udp.dst_port) {
            UDP_PORT_ROCE: parse_bth;
            default: accept;
        }
    }
    state parse_bth {
        packet.extract(hdr.bth);
        meta.dest_qp = hdr.bth.dest_qp;
        transition accept;
    }
}

control fabric_verify(inout headers_t hdr, inout metadata_t meta) {
    apply {
        verify_checksum(hdr.ipv4.isValid() && hdr.ipv4.ihl == 5,
            { hdr.ipv4.version, hdr.ipv4.ihl, hdr.ipv4.dscp, hdr.ipv4.ecn, hdr.ipv4.total_length,
              hdr.ipv4.identification, hdr.ipv4.flags, hdr.ipv4.fragment_offset, hdr.ipv4.ttl,
              hdr.ipv4.protocol, hdr.ipv4.src, hdr.ipv4.dst },
            hdr.ipv4.checksum, HashAlgorithm.csum16);
    }
}

control fabric_ingress(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t standard) {
    counter(512, CounterType.packets_and_bytes) port_rx;
    direct_counter(CounterType.packets_and_bytes) pin_flow_counter;
    direct_counter(CounterType.packets_and_bytes) pin_qp_counter;
    direct_counter(CounterType.packets_and_bytes) pin_pair_counter;
    direct_counter(CounterType.packets_and_bytes) pin_dst_counter;
    direct_counter(CounterType.packets_and_bytes) acl_counter;
    @max_group_size(GROUP_SIZE)
    action_selector(HashAlgorithm.identity, GROUP_MEMBERS, 32) next_hops;

    action drop() {
        mark_to_drop(standard);
    }

    // To the controller, as it came in.
    action trap() {
        standard.egress_spec = CPU_PORT;
    }

    action set_next_hop(bit<9> port, @format(MAC_ADDRESS) bit<48> dst_mac) {
        standard.egress_spec = port;
        hdr.ethernet.src = meta.switch_mac;
        hdr.ethernet.dst = dst_mac;
    }

    action configure(@format(MAC_ADDRESS) bit<48> switch_mac, bit<32> hash_seed, bit<1> hash_on_qp) {
        meta.switch_mac = switch_mac;
        meta.hash_seed = hash_seed;
        meta.hash_on_qp = hash_on_qp;
    }

    // What is one per switch; the controller sets the default action.
    table switch_config {
        actions = { configure; }
        default_action = configure(0, 0, 0);
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
            meta.src_port: exact @name("src_port");
        }
        actions = { set_next_hop; NoAction; }
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
        actions = { set_next_hop; NoAction; }
        const default_action = NoAction;
        counters = pin_qp_counter;
        size = PINS;
    }

    table pin_pair {
        key = {
            meta.src: exact @name("src") @format(IPV6_ADDRESS);
            meta.dst: exact @name("dst") @format(IPV6_ADDRESS);
        }
        actions = { set_next_hop; NoAction; }
        const default_action = NoAction;
        counters = pin_pair_counter;
        size = PINS;
    }

    table pin_dst {
        key = { meta.dst: exact @name("dst") @format(IPV6_ADDRESS); }
        actions = { set_next_hop; NoAction; }
        const default_action = NoAction;
        counters = pin_dst_counter;
        size = PINS;
    }

    table ipv4_route {
        key = {
            hdr.ipv4.dst: lpm @name("dst") @format(IPV4_ADDRESS);
            meta.flow_hash: selector;
        }
        actions = { set_next_hop; trap; drop; }
        implementation = next_hops;
        size = IPV4_ROUTES;
    }

    table ipv6_route {
        key = {
            hdr.ipv6.dst: lpm @name("dst") @format(IPV6_ADDRESS);
            meta.flow_hash: selector;
        }
        actions = { set_next_hop; trap; drop; }
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
            { meta.hash_seed, hdr.ipv4.src, hdr.ipv4.dst, meta.protocol, meta.src_port, meta.dst_port },
            (bit<33>)0x100000000);
    }

    action hash_ipv4_qp() {
        hash(meta.flow_hash, HashAlgorithm.crc32, (bit<33>)0,
            { meta.hash_seed, hdr.ipv4.src, hdr.ipv4.dst, meta.protocol, meta.src_port, meta.dst_port,
              meta.dest_qp },
            (bit<33>)0x100000000);
    }

    action hash_ipv6() {
        hash(meta.flow_hash, HashAlgorithm.crc32, (bit<33>)0,
            { meta.hash_seed, hdr.ipv6.src, hdr.ipv6.dst, meta.protocol, meta.src_port, meta.dst_port },
            (bit<33>)0x100000000);
    }

    action hash_ipv6_qp() {
        hash(meta.flow_hash, HashAlgorithm.crc32, (bit<33>)0,
            { meta.hash_seed, hdr.ipv6.src, hdr.ipv6.dst, meta.protocol, meta.src_port, meta.dst_port,
              meta.dest_qp },
            (bit<33>)0x100000000);
    }

    apply {
        if (hdr.packet_out.isValid()) {
            standard.egress_spec = hdr.packet_out.egress_port;
            hdr.packet_out.setInvalid();
            exit;
        }
        port_rx.count((bit<32>)standard.ingress_port);
        if (hdr.ipv4.isValid() && standard.checksum_error == 1) {
            drop();
            exit;
        }
        switch_config.apply();
        dscp_to_tc.apply();
        bool is_ip = hdr.ipv4.isValid() || hdr.ipv6.isValid();
        // Nothing is bridged: what is not for the router is for the ACL or for nobody.
        if (is_ip && hdr.ethernet.dst == meta.switch_mac && meta.ttl > 1) {
            if (hdr.ipv4.isValid()) {
                if (meta.hash_on_qp == 1 && hdr.bth.isValid()) { hash_ipv4_qp(); } else { hash_ipv4(); }
            } else {
                if (meta.hash_on_qp == 1 && hdr.bth.isValid()) { hash_ipv6_qp(); } else { hash_ipv6(); }
            }
            bool is_pinned = pin_flow.apply().hit;
            if (!is_pinned && hdr.bth.isValid()) {
                is_pinned = pin_qp.apply().hit;
            }
            if (!is_pinned) {
                is_pinned = pin_pair.apply().hit;
            }
            if (!is_pinned) {
                is_pinned = pin_dst.apply().hit;
            }
            bool is_routed = is_pinned;
            if (!is_pinned) {
                if (hdr.ipv4.isValid()) {
                    is_routed = ipv4_route.apply().hit;
                } else {
                    is_routed = ipv6_route.apply().hit;
                }
            }
            if (!is_routed) {
                drop();
            } else if (standard.egress_spec != CPU_PORT) {
                if (hdr.ipv4.isValid()) {
                    hdr.ipv4.ttl = hdr.ipv4.ttl - 1;
                } else {
                    hdr.ipv6.hop_limit = hdr.ipv6.hop_limit - 1;
                }
            }
        } else {
            drop();
        }
        acl.apply();
    }
}

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
            if (is_marked) {
                mark();
                class_marked.count(class_index);
            }
        }
        port_tx.count((bit<32>)standard.egress_port);
        class_tx.count(class_index);
    }
}

control fabric_update(inout headers_t hdr, inout metadata_t meta) {
    apply {
        update_checksum(hdr.ipv4.isValid() && hdr.ipv4.ihl == 5,
            { hdr.ipv4.version, hdr.ipv4.ihl, hdr.ipv4.dscp, hdr.ipv4.ecn, hdr.ipv4.total_length,
              hdr.ipv4.identification, hdr.ipv4.flags, hdr.ipv4.fragment_offset, hdr.ipv4.ttl,
              hdr.ipv4.protocol, hdr.ipv4.src, hdr.ipv4.dst },
            hdr.ipv4.checksum, HashAlgorithm.csum16);
    }
}

control fabric_deparser(packet_out packet, in headers_t hdr) {
    apply {
        packet.emit(hdr.packet_in);
        packet.emit(hdr.ethernet);
        packet.emit(hdr.vlan);
        packet.emit(hdr.ipv4);
        packet.emit(hdr.ipv6);
        packet.emit(hdr.tcp);
        packet.emit(hdr.udp);
        packet.emit(hdr.bth);
    }
}

@pkginfo(name="fabric.p4", version="1.0.0")
V1Switch(fabric_parser(), fabric_verify(), fabric_ingress(), fabric_egress(), fabric_update(),
         fabric_deparser()) main;
