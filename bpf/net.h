/* Protocol numbers that BTF doesn't carry (they are macros in the kernel's headers). */
#ifndef BPF_NET_H
#define BPF_NET_H

#define ETH_P_IP 0x0800
#define ETH_P_8021Q 0x8100
#define ETH_P_IPV6 0x86dd
#define ETH_P_8021AD 0x88a8

#define PROTO_HOPOPTS 0
#define PROTO_ICMP 1
#define PROTO_TCP 6
#define PROTO_ROUTING 43
#define PROTO_FRAGMENT 44
#define PROTO_AH 51
#define PROTO_ICMPV6 58
#define PROTO_DSTOPTS 60

#define IP4_MORE_FRAGMENTS 0x2000
#define IP4_FRAGMENT_OFFSET 0x1fff
#define IP4_DONT_FRAGMENT 0x4000

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10
#define TCP_HEADER_LEN 20
#define TCP_OPTION_TIMESTAMP 0x080a /* kind 8, length 10 */

#define TC_OK 0
#define TC_SHOT 2

/* Is sequence number a before b? */
#define SEQ_BEFORE(a, b) ((__s32)((__u32)(a) - (__u32)(b)) < 0)

#endif
