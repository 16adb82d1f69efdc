// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* answer.c - see answer.h */
#include "names/answer.h"

#include <ctype.h>
#include <errno.h>

#include "base/addr.h"

#define HEADER_BYTES	12
#define QUESTION_BYTES	4	/* behind the name */
#define CLASS_IN	1
#define TYPE_CNAME	5
#define ALIASES_MAX	16
#define LABEL_MAX	63
#define NAME_MAX_TEXT	(SP_HOST_MAX + 2)	/* with a dot at the end */
#define TTL_MAX_S	0x7fffffffu		/* RFC 2181, 8: above, 0 */

struct message {
	const __u8	*bytes;
	size_t		size;
};

/* A record, and the place of the next. */
struct resource {
	char		owner[NAME_MAX_TEXT];
	__u16		type, class;
	__u32		ttl_s;
	size_t		at, len;	/* of the data */
	size_t		next;
};

static __u16 read_u16(const struct message *m, size_t at)
{
	return m->bytes[at] << 8 | m->bytes[at + 1];
}

static __u32 read_u32(const struct message *m, size_t at)
{
	return (__u32)read_u16(m, at) << 16 | read_u16(m, at + 2);
}

/* Bytes that are not of a host become '?', for hosts have none. */
static char host_char(__u8 byte)
{
	return isalnum(byte) || byte == '-' || byte == '_' ? tolower(byte) : '?';
}

static int copy_label(const struct message *m, size_t at, size_t len, char *name, size_t *used)
{
	if (at + len > m->size || *used + len + 1 >= NAME_MAX_TEXT)
		return -EBADMSG;
	for (size_t i = 0; i < len; i++)
		name[(*used)++] = host_char(m->bytes[at + i]);
	name[(*used)++] = '.';
	return 0;
}

/* Pointers lead back only, so names end. @ret_next: behind the name */
static int read_name(const struct message *m, size_t at, char name[NAME_MAX_TEXT],
		     size_t *ret_next)
{
	size_t used = 0, lowest = at, next = 0;

	while (at < m->size && m->bytes[at]) {
		__u8 len = m->bytes[at];

		if (len > LABEL_MAX) {
			if (len < 0xc0 || at + 2 > m->size)
				return -EBADMSG;
			next = next ?: at + 2;
			at = read_u16(m, at) & 0x3fff;
			if (at >= lowest)
				return -EBADMSG;
			lowest = at;
			continue;
		}
		if (copy_label(m, at + 1, len, name, &used))
			return -EBADMSG;
		at += len + 1;
	}
	if (at >= m->size)
		return -EBADMSG;
	name[used ? used - 1 : 0] = 0;
	*ret_next = next ?: at + 1;
	return 0;
}

static int read_resource(const struct message *m, size_t at, struct resource *r)
{
	if (read_name(m, at, r->owner, &at) || at + 10 > m->size)
		return -EBADMSG;
	r->type = read_u16(m, at);
	r->class = read_u16(m, at + 2);
	r->ttl_s = read_u32(m, at + 4);
	if (r->ttl_s > TTL_MAX_S)
		r->ttl_s = 0;
	r->len = read_u16(m, at + 8);
	r->at = at + 10;
	r->next = r->at + r->len;
	return r->next > m->size ? -EBADMSG : 0;
}

/* @ret_at: of the first answer */
static int skip_questions(const struct message *m, size_t *ret_at)
{
	char name[NAME_MAX_TEXT];
	size_t at = HEADER_BYTES;

	if (m->size < HEADER_BYTES)
		return -EBADMSG;
	for (unsigned int i = 0; i < read_u16(m, 4); i++) {
		if (read_name(m, at, name, &at) || at + QUESTION_BYTES > m->size)
			return -EBADMSG;
		at += QUESTION_BYTES;
	}
	*ret_at = at;
	return 0;
}

static int is_usable_target(const char *target)
{
	return target[0] && !strchr(target, '?') && strlen(target) <= SP_HOST_MAX;
}

static int read_a(const struct message *m, const struct resource *r, struct sp_dns_record *record)
{
	__be32 addr;

	if (r->len != sizeof(addr))
		return -EBADMSG;
	memcpy(&addr, m->bytes + r->at, sizeof(addr));
	record->addr = sp_addr_v4(addr);
	return 0;
}

static int read_aaaa(const struct message *m, const struct resource *r,
		     struct sp_dns_record *record)
{
	if (r->len != sizeof(record->addr))
		return -EBADMSG;
	memcpy(&record->addr, m->bytes + r->at, sizeof(record->addr));
	return sp_addr_is_v4(&record->addr) ? -EINVAL : 0;
}

static int read_srv(const struct message *m, const struct resource *r, struct sp_dns_record *record)
{
	char target[NAME_MAX_TEXT];
	size_t next;

	if (r->len < 7 || read_name(m, r->at + 6, target, &next) || next > r->next)
		return -EBADMSG;
	record->priority = read_u16(m, r->at);
	record->weight = read_u16(m, r->at + 2);
	record->port = read_u16(m, r->at + 4);
	if (!record->port || !is_usable_target(target))
		return -EINVAL;
	strcpy(record->target, target);
	return 0;
}

/* Return: 0; -EBADMSG: the record can't be read; -EINVAL: can't be used. */
static int read_record(const struct message *m, const struct resource *r,
		       struct sp_dns_record *record)
{
	*record = (struct sp_dns_record){ 0 };
	if (r->type == SP_DNS_A)
		return read_a(m, r, record);
	return r->type == SP_DNS_AAAA ? read_aaaa(m, r, record) : read_srv(m, r, record);
}

static void note_ttl(struct sp_answer *answer, __u32 ttl_s)
{
	if (ttl_s < answer->ttl_s)
		answer->ttl_s = ttl_s;
}

/* @name: of the alias, replaced by the target. Return: 1; 0: no alias; -EBADMSG. */
static int follow_alias(const struct message *m, size_t at, char name[NAME_MAX_TEXT],
			struct sp_answer *answer)
{
	struct resource r;
	size_t next;

	for (unsigned int i = read_u16(m, 6); i > 0; i--, at = r.next) {
		if (read_resource(m, at, &r))
			return -EBADMSG;
		if (r.type != TYPE_CNAME || r.class != CLASS_IN || strcmp(r.owner, name))
			continue;
		note_ttl(answer, r.ttl_s);
		return read_name(m, r.at, name, &next) || next > r.next ? -EBADMSG : 1;
	}
	return 0;
}

static int add_record(const struct message *m, const struct resource *r, struct sp_answer *answer)
{
	int err;

	if (answer->count == SP_ANSWER_RECORDS_MAX) {
		answer->left_off++;
		return 0;
	}
	err = read_record(m, r, &answer->records[answer->count]);
	if (err == -EBADMSG)
		return err;
	note_ttl(answer, r->ttl_s);
	answer->bad += !!err;
	answer->count += !err;
	return 0;
}

static int collect_records(const struct message *m, size_t at, const char *name,
			   enum sp_dns_type type, struct sp_answer *answer)
{
	struct resource r;
	int err = 0;

	for (unsigned int i = read_u16(m, 6); !err && i > 0; i--, at = r.next) {
		if (read_resource(m, at, &r))
			return -EBADMSG;
		if (r.type == type && r.class == CLASS_IN && !strcmp(r.owner, name))
			err = add_record(m, &r, answer);
	}
	return err;
}

int sp_answer_parse(const void *bytes, size_t size, const char *host, enum sp_dns_type type,
		    struct sp_answer *ret_answer)
{
	const struct message m = { bytes, size };
	char name[NAME_MAX_TEXT];
	size_t at;
	int err = skip_questions(&m, &at);

	ret_answer->ttl_s = TTL_MAX_S;
	ret_answer->count = 0;
	ret_answer->left_off = ret_answer->bad = 0;
	if (err || strlen(host) > SP_HOST_MAX)
		return -EBADMSG;
	strcpy(name, host);
	for (int i = 0; i < ALIASES_MAX; i++) {
		err = follow_alias(&m, at, name, ret_answer);
		if (err <= 0)
			break;
	}
	return err < 0 ? err : collect_records(&m, at, name, type, ret_answer);
}
