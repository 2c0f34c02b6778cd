// Ethernet, 802.1Q, IPv4 with options, IPv6 with extension headers, TCP, UDP and the InfiniBand BTH.
//
// What cannot be classified is an error, so that no option hides a packet's ports from an access list.

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
        transition accept;
    }
    state parse_ethernet {
        packet.extract(hdr.ethernet);
        meta.ether_type = hdr.ethernet.ether_type;
        meta.ip_length = 14;
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
        meta.ip_length = 18;
        transition select(hdr.vlan.ether_type) {
            ETHERTYPE_IPV4: parse_ipv4;
            ETHERTYPE_IPV6: parse_ipv6;
            default: accept;
        }
    }
    state parse_ipv4 {
        packet.extract(hdr.ipv4);
        verify(hdr.ipv4.version == 4, error.BadIpHeader);
        verify(hdr.ipv4.ihl >= 5, error.BadIpHeader);
        verify(hdr.ipv4.total_length >= (bit<16>)hdr.ipv4.ihl << 2, error.BadIpHeader);
        meta.ip_length = meta.ip_length + (bit<32>)hdr.ipv4.total_length;
        meta.src = IPV4_MAPPED | (bit<128>)hdr.ipv4.src;
        meta.dst = IPV4_MAPPED | (bit<128>)hdr.ipv4.dst;
        meta.protocol = hdr.ipv4.protocol;
        meta.dscp = hdr.ipv4.dscp;
        meta.ttl = hdr.ipv4.ttl;
        meta.is_fragment = hdr.ipv4.flags[0:0] | (bit<1>)(bit<8>)(hdr.ipv4.fragment_offset != 0 ? 8w1 : 8w0);
        transition select(hdr.ipv4.ihl) {
            5: parse_ipv4_payload;
            default: parse_ipv4_options;
        }
    }
    state parse_ipv4_options {
        packet.extract(hdr.ipv4_options, ((bit<32>)hdr.ipv4.ihl - 5) << 5);
        transition parse_ipv4_payload;
    }
    state parse_ipv4_payload {
        transition select(hdr.ipv4.fragment_offset, hdr.ipv4.protocol) {
            (0, PROTOCOL_TCP): parse_tcp;
            (0, PROTOCOL_UDP): parse_udp;
            (_, PROTOCOL_AH): parse_unclassifiable;
            default: accept;
        }
    }
    state parse_ipv6 {
        packet.extract(hdr.ipv6);
        verify(hdr.ipv6.version == 6, error.BadIpHeader);
        meta.ip_length = meta.ip_length + 40 + (bit<32>)hdr.ipv6.payload_length;
        meta.src = hdr.ipv6.src;
        meta.dst = hdr.ipv6.dst;
        meta.protocol = hdr.ipv6.next_header;
        meta.dscp = hdr.ipv6.dscp;
        meta.ttl = hdr.ipv6.hop_limit;
        transition parse_ipv6_payload;
    }
    state parse_ipv6_payload {
        transition select(meta.protocol) {
            IPV6_HOP_BY_HOP: parse_ipv6_extension;
            IPV6_ROUTING: parse_ipv6_extension;
            IPV6_OPTIONS: parse_ipv6_extension;
            IPV6_FRAGMENT: parse_ipv6_fragment;
            PROTOCOL_AH: parse_unclassifiable;
            IPV6_MOBILITY: parse_unclassifiable;
            PROTOCOL_TCP: parse_tcp;
            PROTOCOL_UDP: parse_udp;
            default: accept;
        }
    }
    // One after the other, up to four of them.
    state parse_ipv6_extension {
        bit<16> lead = packet.lookahead<bit<16>>();
        verify(lead[7:0] < 8, error.Unclassifiable);
        packet.extract(hdr.ipv6_extension.next, (((bit<32>)lead[7:0] + 1) << 6) - 16);
        meta.protocol = lead[15:8];
        transition parse_ipv6_payload;
    }
    // A fragment's other extension headers stand before it; of the later ones the ports are not there.
    state parse_ipv6_fragment {
        packet.extract(hdr.ipv6_fragment);
        meta.protocol = hdr.ipv6_fragment.next_header;
        meta.is_fragment = 1;
        transition select(hdr.ipv6_fragment.offset, hdr.ipv6_fragment.next_header) {
            (0, PROTOCOL_TCP): parse_tcp;
            (0, PROTOCOL_UDP): parse_udp;
            (0, IPV6_HOP_BY_HOP): parse_unclassifiable;
            (0, IPV6_ROUTING): parse_unclassifiable;
            (0, IPV6_OPTIONS): parse_unclassifiable;
            (0, IPV6_FRAGMENT): parse_unclassifiable;
            (_, PROTOCOL_AH): parse_unclassifiable;
            default: accept;
        }
    }
    state parse_unclassifiable {
        verify(false, error.Unclassifiable);
        transition accept;
    }
    state parse_tcp {
        packet.extract(hdr.tcp);
        meta.has_ports = 1;
        meta.src_port = hdr.tcp.src_port;
        meta.dst_port = hdr.tcp.dst_port;
        transition accept;
    }
    state parse_udp {
        packet.extract(hdr.udp);
        meta.has_ports = 1;
        meta.src_port = hdr.udp.src_port;
        meta.dst_port = hdr.udp.dst_port;
        transition select(meta.is_fragment, hdr.udp.dst_port) {
            (0, UDP_PORT_ROCE): parse_bth;
            default: accept;
        }
    }
    state parse_bth {
        packet.extract(hdr.bth);
        meta.dest_qp = hdr.bth.dest_qp;
        meta.psn = hdr.bth.psn;
        transition accept;
    }
}

control fabric_deparser(packet_out packet, in headers_t hdr) {
    apply {
        packet.emit(hdr.packet_in);
        packet.emit(hdr.ethernet);
        packet.emit(hdr.vlan);
        packet.emit(hdr.ipv4);
        packet.emit(hdr.ipv4_options);
        packet.emit(hdr.ipv6);
        packet.emit(hdr.ipv6_extension);
        packet.emit(hdr.ipv6_fragment);
        packet.emit(hdr.tcp);
        packet.emit(hdr.udp);
        packet.emit(hdr.bth);
    }
}
