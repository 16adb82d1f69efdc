// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * proxy_header.c - header of the PROXY protocol
 *
 * Theory of operation. As in http1.c, a cursor walks over the bytes, and no state survives a call.
 * The first byte decides about the version: no line of version 1 begins with the CR of version 2's
 * signature. Numbers have a single spelling and lengths a bound, so a sender of another protocol
 * is refused by the first bytes.
 */
#include "l7/proxy_header.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define SIGNATURE	"\r\n\r\n\0\r\nQUIT\n"
#define SIGNATURE_LEN	12
#define V2_LEN		16	/* before the addresses */
#define V4_TEXT_MAX	15
#define V6_TEXT_MAX	45	/* with IPv4 at its end, as inet_ntop() writes it */
#define HEX_DIGITS	"0123456789abcdefABCDEF"

enum { LOCAL = 0x20, PROXY = 0x21 };	/* version and command */
enum { TCP4 = 0x11, TCP6 = 0x21 };	/* family and protocol */

struct scan {
	const char		*p;
	const char		*end;
	struct sp_proxy_header	*header;
};

static enum sp_parse_verdict bad_header(struct scan *s, const char *why)
{
	s->header->why = why;
	return SP_PARSE_BAD;
}

static enum sp_parse_verdict take_bytes(struct scan *s, const char *bytes, size_t len,
					const char *why)
{
	for (; len; len--, s->p++, bytes++) {
		if (s->p == s->end)
			return SP_PARSE_INCOMPLETE;
		if (*s->p != *bytes)
			return bad_header(s, why);
	}
	return SP_PARSE_OK;
}

static enum sp_parse_verdict take_text(struct scan *s, const char *text, const char *why)
{
	return take_bytes(s, text, strlen(text), why);
}

/* A word of @chars, and the byte @behind. */
static enum sp_parse_verdict take_word(struct scan *s, const char *chars, size_t max, char behind,
				       const char *why, struct sp_str *ret)
{
	ret->p = s->p;
	while (s->p < s->end && *s->p && strchr(chars, *s->p))
		if ((size_t)(++s->p - ret->p) > max)
			return bad_header(s, why);
	if (s->p == s->end)
		return SP_PARSE_INCOMPLETE;
	ret->len = s->p - ret->p;
	return *s->p++ == behind ? SP_PARSE_OK : bad_header(s, why);
}

static enum sp_parse_verdict take_addr(struct scan *s, int is_v4, struct sp_addr *ret)
{
	static const char why[] = "malformed address";
	char text[V6_TEXT_MAX + 1];
	enum sp_parse_verdict v;
	struct in_addr v4;
	struct sp_str word;

	v = take_word(s, is_v4 ? "0123456789." : HEX_DIGITS ":.", is_v4 ? V4_TEXT_MAX : V6_TEXT_MAX,
		      ' ', why, &word);
	if (v != SP_PARSE_OK)
		return v;
	memcpy(text, word.p, word.len);
	text[word.len] = 0;
	if (inet_pton(is_v4 ? AF_INET : AF_INET6, text, is_v4 ? (void *)&v4 : ret) != 1)
		return bad_header(s, why);
	if (is_v4)
		*ret = sp_addr_v4(v4.s_addr);
	return SP_PARSE_OK;
}

static enum sp_parse_verdict take_port(struct scan *s, char behind, __be16 *ret_be)
{
	static const char why[] = "malformed port";
	enum sp_parse_verdict v;
	unsigned int port = 0;
	struct sp_str word;

	v = take_word(s, "0123456789", 5, behind, why, &word);
	if (v != SP_PARSE_OK)
		return v;
	for (size_t i = 0; i < word.len; i++)
		port = port * 10 + (word.p[i] - '0');
	if (!word.len || (word.len > 1 && word.p[0] == '0') || port > 65535)
		return bad_header(s, why);
	*ret_be = htons(port);
	return SP_PARSE_OK;
}

static enum sp_parse_verdict take_tcp(struct scan *s, int is_v4)
{
	struct sp_proxy_header *h = s->header;
	enum sp_parse_verdict v = take_text(s, " ", "malformed protocol");

	if (v == SP_PARSE_OK)
		v = take_addr(s, is_v4, &h->client.addr);
	if (v == SP_PARSE_OK)
		v = take_addr(s, is_v4, &h->service.addr);
	if (v == SP_PARSE_OK)
		v = take_port(s, ' ', &h->client.port_be);
	if (v == SP_PARSE_OK)
		v = take_port(s, '\r', &h->service.port_be);
	return v == SP_PARSE_OK ? take_text(s, "\n", "CR without LF") : v;
}

/* Any bytes may stand behind UNKNOWN, up to the end of the line. */
static enum sp_parse_verdict take_unknown(struct scan *s)
{
	enum sp_parse_verdict v = take_text(s, "NKNOWN", "malformed protocol");

	if (v != SP_PARSE_OK)
		return v;
	s->header->is_own = 1;
	if (s->p < s->end && *s->p != '\r' && *s->p != ' ')
		return bad_header(s, "malformed protocol");
	while (s->p < s->end && *s->p != '\r')
		if (*s->p++ == '\n')
			return bad_header(s, "LF without CR");
	return take_text(s, "\r\n", "CR without LF");
}

static enum sp_parse_verdict take_protocol(struct scan *s)
{
	enum sp_parse_verdict v = take_text(s, "PROXY ", "no PROXY header");

	if (v != SP_PARSE_OK)
		return v;
	if (s->p < s->end && *s->p == 'U') {
		s->p++;
		return take_unknown(s);
	}
	v = take_text(s, "TCP", "malformed protocol");
	if (v != SP_PARSE_OK)
		return v;
	if (s->p == s->end)
		return SP_PARSE_INCOMPLETE;
	if (*s->p != '4' && *s->p != '6')
		return bad_header(s, "malformed protocol");
	return take_tcp(s, *s->p++ == '4');
}

static enum sp_parse_verdict take_line(struct scan *s)
{
	enum sp_parse_verdict v;
	int is_long = s->end - s->p >= SP_PROXY_V1_MAX;

	if (is_long)
		s->end = s->p + SP_PROXY_V1_MAX;
	v = take_protocol(s);
	if (v == SP_PARSE_INCOMPLETE && is_long)
		return bad_header(s, "line too long");
	return v;
}

static void read_v4(const char *p, struct sp_proxy_header *ret)
{
	__be32 client, service;

	memcpy(&client, p, 4);
	memcpy(&service, p + 4, 4);
	ret->client.addr = sp_addr_v4(client);
	ret->service.addr = sp_addr_v4(service);
	memcpy(&ret->client.port_be, p + 8, 2);
	memcpy(&ret->service.port_be, p + 10, 2);
}

static void read_v6(const char *p, struct sp_proxy_header *ret)
{
	memcpy(&ret->client.addr, p, 16);
	memcpy(&ret->service.addr, p + 16, 16);
	memcpy(&ret->client.port_be, p + 32, 2);
	memcpy(&ret->service.port_be, p + 34, 2);
}

/* Least length of the addresses; -1: no known family or protocol. Sets is_own but for TCP. */
static int least_len(struct scan *s, uint8_t command, uint8_t protocol)
{
	s->header->is_own = 1;
	if (command == LOCAL)
		return 0;
	if (protocol >> 4 > 3 || (protocol & 15) > 2)
		return -1;
	s->header->is_own = protocol != TCP4 && protocol != TCP6;
	return protocol == TCP4 ? 12 : protocol == TCP6 ? 36 : 0;
}

static enum sp_parse_verdict take_addrs(struct scan *s, uint8_t protocol, size_t len)
{
	if ((size_t)(s->end - s->p) < len)
		return SP_PARSE_INCOMPLETE;
	if (!s->header->is_own)
		(protocol == TCP4 ? read_v4 : read_v6)(s->p, s->header);
	s->p += len;
	return SP_PARSE_OK;
}

/* The byte at @idx behind the cursor; -1: not there yet. */
static int byte_at(const struct scan *s, int idx)
{
	return s->end - s->p > idx ? (uint8_t)s->p[idx] : -1;
}

static enum sp_parse_verdict take_len(struct scan *s, int least, size_t *ret)
{
	int high = byte_at(s, 0), low = byte_at(s, 1);

	if (high > (SP_PROXY_V2_MAX - V2_LEN) >> 8)
		return bad_header(s, "header too long");
	if (high < 0 || low < 0)
		return SP_PARSE_INCOMPLETE;
	*ret = high << 8 | low;
	s->p += 2;
	if (*ret > SP_PROXY_V2_MAX - V2_LEN)
		return bad_header(s, "header too long");
	if ((int)*ret < least)
		return bad_header(s, "header too short for its addresses");
	return SP_PARSE_OK;
}

static enum sp_parse_verdict take_binary(struct scan *s)
{
	enum sp_parse_verdict v = take_bytes(s, SIGNATURE, SIGNATURE_LEN, "no PROXY header");
	int command, protocol, least;
	size_t len;

	if (v != SP_PARSE_OK)
		return v;
	command = byte_at(s, 0);
	protocol = byte_at(s, 1);
	if (command >= 0 && command != LOCAL && command != PROXY)
		return bad_header(s, "not version 2, or not a known command");
	if (protocol < 0)
		return SP_PARSE_INCOMPLETE;
	s->p += 2;
	least = least_len(s, command, protocol);
	if (least < 0)
		return bad_header(s, "not a known protocol");
	v = take_len(s, least, &len);
	return v == SP_PARSE_OK ? take_addrs(s, protocol, len) : v;
}

enum sp_parse_verdict sp_proxy_header_parse(const char *buf, size_t len,
					    struct sp_proxy_header *ret)
{
	struct scan s = { .p = buf, .end = buf + len, .header = ret };
	enum sp_parse_verdict v;

	memset(ret, 0, sizeof(*ret));
	if (!len)
		return SP_PARSE_INCOMPLETE;
	v = buf[0] == '\r' ? take_binary(&s) : take_line(&s);
	ret->len = s.p - buf;
	return v;
}

/* inet_ntop() ends some IPv6 addresses with dots, against the specification of a line. */
static void print_addr(const struct sp_addr *addr, int is_v4, char text[INET6_ADDRSTRLEN])
{
	__be16 w[8];

	memcpy(w, addr->w, sizeof(w));
	inet_ntop(is_v4 ? AF_INET : AF_INET6, is_v4 ? &addr->w[3] : addr->w, text,
		  INET6_ADDRSTRLEN);
	if (!is_v4 && strchr(text, '.'))
		snprintf(text, INET6_ADDRSTRLEN, "%x:%x:%x:%x:%x:%x:%x:%x", ntohs(w[0]),
			 ntohs(w[1]), ntohs(w[2]), ntohs(w[3]), ntohs(w[4]), ntohs(w[5]),
			 ntohs(w[6]), ntohs(w[7]));
}

static size_t write_line(const struct sp_endpoint *client, const struct sp_endpoint *service,
			 int is_v4, char *buf)
{
	char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN], line[SP_PROXY_WRITE_MAX + 1];
	int len;

	print_addr(&client->addr, is_v4, from);
	print_addr(&service->addr, is_v4, to);
	len = snprintf(line, sizeof(line), "PROXY TCP%c %s %s %u %u\r\n", is_v4 ? '4' : '6', from,
		       to, ntohs(client->port_be), ntohs(service->port_be));
	memcpy(buf, line, len);
	return len;
}

static size_t write_binary(const struct sp_endpoint *client, const struct sp_endpoint *service,
			   int is_v4, char *buf)
{
	size_t size = is_v4 ? 4 : 16;
	const char *from = (const char *)&client->addr + 16 - size;
	const char *to = (const char *)&service->addr + 16 - size;
	const char head[] = { PROXY, is_v4 ? TCP4 : TCP6, 0, 2 * size + 4 };
	char *p = buf;

	p = mempcpy(p, SIGNATURE, SIGNATURE_LEN);
	p = mempcpy(p, head, sizeof(head));
	p = mempcpy(p, from, size);
	p = mempcpy(p, to, size);
	p = mempcpy(p, &client->port_be, 2);
	p = mempcpy(p, &service->port_be, 2);
	return p - buf;
}

size_t sp_proxy_header_write(enum sp_proxy_protocol version, const struct sp_endpoint *client,
			     const struct sp_endpoint *service, char *buf)
{
	int is_v4 = sp_addr_is_v4(&client->addr) && sp_addr_is_v4(&service->addr);

	if (version == SP_PROXY_PROTOCOL_V1)
		return write_line(client, service, is_v4, buf);
	return write_binary(client, service, is_v4, buf);
}
