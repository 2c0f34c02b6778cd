// What packets are made of, and what the stages tell each other.

const bit<16> ETHERTYPE_VLAN = 0x8100;
const bit<16> ETHERTYPE_IPV4 = 0x0800;
const bit<16> ETHERTYPE_IPV6 = 0x86dd;
const bit<8> IPV6_HOP_BY_HOP = 0;
const bit<8> PROTOCOL_TCP = 6;
const bit<8> PROTOCOL_UDP = 17;
const bit<8> IPV6_ROUTING = 43;
const bit<8> IPV6_FRAGMENT = 44;
const bit<8> PROTOCOL_AH = 51;
const bit<8> IPV6_OPTIONS = 60;
const bit<8> IPV6_MOBILITY = 135;
const bit<16> UDP_PORT_ROCE = 4791; // RoCEv2, InfiniBand Annex A17
const bit<2> NOT_ECT = 0;           // RFC 3168, section 5
const bit<2> CE = 3;
const bit<128> IPV4_MAPPED = 0xffff00000000; // ::ffff:0:0/96, RFC 4291, section 2.5.5.2

const bit<2> PORT_UP = 1; // port events
const bit<2> PORT_DOWN = 2;
const bit<32> EGRESS_CLONE = 2; // instance_type in BMv2's v1model
const bit<32> POSTCARD_SESSION = 100;
const bit<8> POSTCARD_FIELDS = 1;
const bit<32> POSTCARD_BYTES = 20 + 128; // packet_in and the head of the frame

error { BadIpHeader, Unclassifiable }

// Why a packet is dropped: the index of the counter `dropped`.
enum bit<8> Reason {
    NONE = 0,
    BROKEN_HEADER = 1,   // too short, a length or version that cannot be, a header that is not understood
    BAD_CHECKSUM = 2,    // of the IPv4 header
    FOREIGN_VLAN = 3,    // a tag that names a VLAN
    NOT_FOR_ROUTER = 4,  // another MAC address, or neither IPv4 nor IPv6
    MARTIAN = 5,         // an address that is never routed
    TTL_EXCEEDED = 6,
    NO_ROUTE = 7,
    ACL_DROP = 8,
    CPU_POLICED = 9,     // above the meter before the CPU port
    PORT_DOWN = 10       // and so is its backup's, or it has none
}

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

header ipv4_options_t {
    varbit<320> options;
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

// Hop-by-hop, routing and destination options (RFC 8200, section 4), of up to 64 bytes.
header ipv6_extension_t {
    bit<8>      next_header;
    bit<8>      length;
    varbit<496> content;
}

header ipv6_fragment_t {
    bit<8>  next_header;
    bit<8>  reserved;
    bit<13> offset;
    bit<2>  reserved2;
    bit<1>  more;
    bit<32> identification;
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

// A packet that is trapped has its ingress port alone; a postcard has what a watched packet met in this switch.
@controller_header("packet_in")
header packet_in_t {
    bit<9>  ingress_port;
    bit<1>  is_postcard;
    bit<9>  egress_port;
    bit<3>  queue;
    bit<19> queue_depth; // packets in the queue when it came there
    bit<7>  pad;
    bit<32> queue_us;    // in the queue
    bit<32> hop_us;      // from the ingress port to the end of the queue
    bit<48> ingress_us;  // by the switch's own clock
}

// With a port event nothing goes out: the switch takes note that the port is down, or up again.
@controller_header("packet_out")
header packet_out_t {
    bit<9> egress_port;
    bit<2> port_event;
    bit<5> pad;
}

struct headers_t {
    packet_out_t        packet_out;
    packet_in_t         packet_in;
    ethernet_t          ethernet;
    vlan_t              vlan;
    ipv4_t              ipv4;
    ipv4_options_t      ipv4_options;
    ipv6_t              ipv6;
    ipv6_extension_t[4] ipv6_extension;
    ipv6_fragment_t     ipv6_fragment;
    tcp_t               tcp;
    udp_t               udp;
    bth_t               bth;
}

// `src` and `dst` are IPv6 addresses, or IPv4 ones in their mapped form, so that a pin or an ACL entry has one
// shape for both. The ACL sees `src_port` and `dst_port`; the hash and the pins see `flow_src_port` and
// `flow_dst_port`, which all fragments of a datagram have alike.
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
    bit<24>  psn;
    bit<1>   is_fragment;
    bit<1>   has_ports;
    bit<16>  flow_src_port;
    bit<16>  flow_dst_port;
    bit<32>  ip_length;
    bit<32>  hash_seed;
    bit<5>   hash_offset;
    bit<1>   hash_on_qp;
    bit<48>  switch_mac;
    bit<32>  flow_hash;
    bit<3>   tc;
    bit<9>   next_port;
    bit<48>  next_mac;
    bit<1>   has_backup;
    bit<9>   backup_port;
    bit<48>  backup_mac;
    bit<1>   to_controller;
    Reason   reason;
    @field_list(POSTCARD_FIELDS)
    bit<9>   seen_ingress_port;
    @field_list(POSTCARD_FIELDS)
    bit<9>   seen_egress_port;
    @field_list(POSTCARD_FIELDS)
    bit<3>   seen_queue;
    @field_list(POSTCARD_FIELDS)
    bit<19>  seen_depth;
    @field_list(POSTCARD_FIELDS)
    bit<32>  seen_queue_us;
    @field_list(POSTCARD_FIELDS)
    bit<32>  seen_hop_us;
    @field_list(POSTCARD_FIELDS)
    bit<48>  seen_ingress_us;
}
