/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* bpf_endian.h - in the place of libbpf's, when the datapath is compiled for this machine. */
#ifndef SP_SIM_BPF_ENDIAN_H
#define SP_SIM_BPF_ENDIAN_H

#include <endian.h>

#define bpf_htons(x) htobe16(x)
#define bpf_ntohs(x) be16toh(x)
#define bpf_htonl(x) htobe32(x)
#define bpf_ntohl(x) be32toh(x)
#define bpf_cpu_to_be64(x) htobe64(x)
#define bpf_be64_to_cpu(x) be64toh(x)

#endif
