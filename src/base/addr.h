/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* addr.h - text form of addresses and tuples. */
#ifndef SP_BASE_ADDR_H
#define SP_BASE_ADDR_H

#include <stddef.h>

#include "abi/tuple.h"

#define SP_ADDR_STRLEN		46
#define SP_ENDPOINT_STRLEN	56
#define SP_TUPLE_STRLEN		116

/**
 * sp_addr_parse() - "192.0.2.1" or "2001:db8::1"
 * Return: 0; -EINVAL when it is neither.
 */
int sp_addr_parse(const char *text, struct sp_addr *ret_addr);

/**
 * sp_endpoint_parse() - "192.0.2.1:80" or "[2001:db8::1]:80"
 * @ret_port_be: network byte order, never 0
 * Return: 0; -EINVAL.
 */
int sp_endpoint_parse(const char *text, struct sp_addr *ret_addr, __be16 *ret_port_be);

/*
 * Into @buf of SP_ADDR_STRLEN or SP_ENDPOINT_STRLEN bytes; returns @buf. An IPv4-mapped address
 * prints as IPv4.
 */
char *sp_addr_format(const struct sp_addr *addr, char *buf);
char *sp_endpoint_format(const struct sp_addr *addr, __be16 port_be, char *buf);
/* "192.0.2.1:40000 > 198.51.100.1:80", into SP_TUPLE_STRLEN bytes. */
char *sp_tuple_format(const struct sp_tuple *tuple, char *buf);

#endif
