/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * change.h - the beginning of a request, where the backend gets other bytes: a head with other
 * headers, or with a header of the PROXY protocol before, or without the client's
 */
#ifndef SP_PROXY_CHANGE_H
#define SP_PROXY_CHANGE_H

#include "abi/patch.h"
#include "proxy/connection.h"

/*
 * Read the client's header of the PROXY protocol before the first head into @c->skip and
 * @c->origin. Return: SP_PARSE_OK also where no header is expected.
 */
enum sp_parse_verdict sp_change_origin(struct sp_proxy *p, struct sp_conn *c);
/* Whether such a header is expected, and was not read so far. */
int sp_change_expects_origin(const struct sp_conn *c);

/*
 * The head is whole: how it changes goes to @c->plan. Return: 0; the status of a refusal;
 * -ENOENT: the client has a name that is not known here.
 */
int sp_change_plan(struct sp_proxy *p, struct sp_conn *c);

/* Whether a backend of @c->pool gets other bytes than the client's. */
int sp_change_is_needed(const struct sp_conn *c);

/* Set @c->change: the request begins a leg to @c->pool; the request stays with its leg. */
void sp_change_begin_leg(struct sp_conn *c);
void sp_change_stay(struct sp_conn *c);
/* The request is sent again, with the change @known. Return: 0; -ESTALE: the rules differ now. */
int sp_change_again(struct sp_conn *c, const struct sp_change *known);

/* The client's name for a splice, see struct sp_splice. */
struct sp_endpoint sp_change_name(const struct sp_conn *c);

/* Count @c->change in a splice; in a patch. */
void sp_change_splice(const struct sp_conn *c, struct sp_splice *splice);
void sp_change_patch(const struct sp_conn *c, struct sp_patch *patch);

/* What the change adds to offsets behind. */
static inline __u32 sp_change_shift(const struct sp_conn *c)
{
	return sp_change_grows(&c->change);
}

/* The backend's bytes, @c->change.becomes of them; the next call overwrites them. */
const char *sp_change_bytes(struct sp_proxy *p, const struct sp_conn *c);

/* A segment of the client as far as a half carries it: without bytes before the change's end. */
struct sp_segment sp_change_behind(const struct sp_change *change, const struct sp_segment *seg);

#endif
