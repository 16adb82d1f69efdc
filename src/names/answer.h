/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* answer.h - records of a DNS message (RFC 1035). No I/O. Context: any; nothing blocks. */
#ifndef SP_NAMES_ANSWER_H
#define SP_NAMES_ANSWER_H

#include "config/config.h"

/* RFC 1035, RFC 3596 and RFC 2782 have the numbers. */
enum sp_dns_type { SP_DNS_A = 1, SP_DNS_AAAA = 28, SP_DNS_SRV = 33 };

#define SP_ANSWER_RECORDS_MAX 512

/**
 * struct sp_dns_record - a record; members of other types are zero
 * @addr:	of A and AAAA
 * @priority, @weight, @port: of SRV, host order
 * @target:	of SRV, in lower case, without a dot at the end
 */
struct sp_dns_record {
	struct sp_addr	addr;
	__u16		priority, weight, port;
	char		target[SP_HOST_MAX + 1];
};

/**
 * struct sp_answer - records of a type for a name
 * @ttl_s:	the lowest of these records and of the aliases before them
 * @left_off:	records without room here
 * @bad:	SRV records without port, or whose target is not a host; IPv4 in an AAAA record
 */
struct sp_answer {
	__u32			ttl_s;
	size_t			count;
	unsigned int		left_off, bad;
	struct sp_dns_record	records[SP_ANSWER_RECORDS_MAX];
};

/*
 * @host: in lower case; aliases (CNAME) are followed within the message.
 * Return: 0, also without records; -EBADMSG.
 */
int sp_answer_parse(const void *bytes, size_t size, const char *host, enum sp_dns_type type,
		    struct sp_answer *ret_answer);

#endif
