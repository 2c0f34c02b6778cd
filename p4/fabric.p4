// The forwarding of an AI fabric's leaf or spine: P4_16 for the v1model architecture. A file for each stage.
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
#define GROUP_MEMBERS 131072
#endif
#ifndef GROUP_SIZE
#define GROUP_SIZE 512
#endif
#ifndef ACL_ENTRIES
#define ACL_ENTRIES 1024
#endif
#ifndef WATCHED
#define WATCHED 64
#endif
#ifndef CPU_PORT
#define CPU_PORT 510
#endif

#include "headers.p4"
#include "parser.p4"
#include "checksums.p4"
#include "ingress.p4"
#include "egress.p4"

@pkginfo(name="fabric.p4", version="2.1.0")
V1Switch(fabric_parser(), fabric_verify(), fabric_ingress(), fabric_egress(), fabric_update(),
         fabric_deparser()) main;
