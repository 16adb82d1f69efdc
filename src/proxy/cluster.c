// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * cluster.c - one UDP socket between the proxies, and a timer
 *
 * member.c knows who is there, message.c what is said; here it is sent and
 * received. What is queued in one turn of the loop goes out in one system call.
 */
#include "proxy/cluster.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "abi/half.h"
#include "base/addr.h"
#include "base/log.h"
#include "proxy/keys.h"
#include "proxy/message.h"
#include "proxy/store.h"

#define TICK_MS		50
#define TICKS_PER_HELLO	(SP_HELLO_MS / TICK_MS)
#define TICKS_PER_RECORD 10
#define LATE_NS		200000000ULL	/* between two ticks: we were stopped */
#define BATCH		64
#define BATCHES_PER_TURN 8		/* then the loop has its turn */
#define RECEIVE_BYTES	2048		/* longer than any message, so that a longer one is seen as such */
#define BUFFER_BYTES	(4 * 1024 * 1024)

union endpoint {
	struct sockaddr		any;
	struct sockaddr_in	v4;
	struct sockaddr_in6	v6;
};

struct queue {
	unsigned int	count;
	struct mmsghdr	msgs[BATCH];
	struct iovec	iovs[BATCH];
	union endpoint	to[BATCH];
	__u8		bytes[BATCH][SP_MESSAGE_BYTES_MAX];
};

struct inbox {
	struct mmsghdr	msgs[BATCH];
	struct iovec	iovs[BATCH];
	union endpoint	from[BATCH];
	__u8		bytes[BATCH][RECEIVE_BYTES];
};

struct sp_cluster {
	struct sp_members		members;
	struct sp_seal			seal;
	struct sp_store			*store;
	const struct sp_cluster_events	*events;
	void				*ctx;
	struct sp_cluster_counters	counters;
	int				fd;
	__u64				seq, ticked_ns, ticks;
	int				is_listed;	/* the store has answered */
	int				open_handles;
	uv_poll_t			poll;
	uv_timer_t			timer;
	struct queue			out;
	struct inbox			in;
};

/* ---- sending ---- */

static socklen_t to_sockaddr(const struct sp_endpoint *at, union endpoint *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (sp_addr_is_v4(&at->addr)) {
		ret->v4.sin_family = AF_INET;
		ret->v4.sin_addr.s_addr = at->addr.w[3];
		ret->v4.sin_port = at->port_be;
		return sizeof(ret->v4);
	}
	ret->v6.sin6_family = AF_INET6;
	memcpy(&ret->v6.sin6_addr, &at->addr, sizeof(at->addr));
	ret->v6.sin6_port = at->port_be;
	return sizeof(ret->v6);
}

static struct sp_endpoint from_sockaddr(const union endpoint *e)
{
	struct sp_endpoint at = { .addr = sp_addr_v4(e->v4.sin_addr.s_addr), .port_be = e->v4.sin_port };

	if (e->any.sa_family == AF_INET6) {
		memcpy(&at.addr, &e->v6.sin6_addr, sizeof(at.addr));
		at.port_be = e->v6.sin6_port;
	}
	return at;
}

/* As in segment.c: what fails is skipped, unless there is no room for more either. */
void sp_cluster_flush(struct sp_cluster *c)
{
	unsigned int done = 0;

	if (!c)
		return;
	while (done < c->out.count) {
		int n = sendmmsg(c->fd, c->out.msgs + done, c->out.count - done, MSG_DONTWAIT);

		if (n > 0) {
			done += n;
		} else if (errno == EAGAIN) {
			break;
		} else if (errno != EINTR) {
			c->counters.relay_not_sent++;
			done++;
		}
	}
	c->counters.relay_not_sent += c->out.count - done;
	c->out.count = 0;
}

static void enqueue(struct sp_cluster *c, const struct sp_member *to, const __u8 *bytes, size_t len)
{
	struct queue *q = &c->out;
	unsigned int i;

	if (q->count == BATCH)
		sp_cluster_flush(c);
	i = q->count++;
	memcpy(q->bytes[i], bytes, len);
	q->iovs[i] = (struct iovec){ .iov_base = q->bytes[i], .iov_len = len };
	q->msgs[i].msg_hdr = (struct msghdr){
		.msg_name = &q->to[i], .msg_namelen = to_sockaddr(&to->relay, &q->to[i]),
		.msg_iov = &q->iovs[i], .msg_iovlen = 1,
	};
}

static size_t write_message(struct sp_cluster *c, struct sp_message *m, __u8 bytes[SP_MESSAGE_BYTES_MAX])
{
	m->from = c->members.self.id;
	m->started_ns = c->members.self.started_ns;
	m->seq = ++c->seq;
	return sp_message_write(&c->seal, m, bytes);
}

/* @to: NULL: all that live. Return: to how many. */
static unsigned int tell(struct sp_cluster *c, const struct sp_member *to, struct sp_message *m)
{
	__u8 bytes[SP_MESSAGE_BYTES_MAX];
	size_t len = write_message(c, m, bytes);
	unsigned int n = 0;

	if (to) {
		enqueue(c, to, bytes, len);
		return 1;
	}
	for (unsigned int i = 0; i < c->members.count; i++) {
		if (!c->members.others[i].is_alive)
			continue;
		enqueue(c, &c->members.others[i], bytes, len);
		n++;
	}
	return n;
}

/* A superpacket goes in pieces: only the first one has the cookie, only the last one the FIN. */
static void tell_segment(struct sp_cluster *c, const struct sp_member *to, enum sp_event_kind kind,
			 const struct sp_segment *seg)
{
	struct sp_message m = { .kind = SP_MESSAGE_SEGMENT, .event = kind, .segment = *seg };
	struct sp_segment *piece = &m.segment;
	size_t left = seg->payload_len;
	const __u8 *payload = seg->payload;

	do {
		piece->payload = payload;
		piece->payload_len = left < SP_MESSAGE_PIECE ? left : SP_MESSAGE_PIECE;
		payload += piece->payload_len;
		left -= piece->payload_len;
		piece->flags = left ? seg->flags & ~SP_TCP_FIN : seg->flags;
		c->counters.segments_sent += tell(c, to, &m);
		piece->seq += piece->payload_len;
		if (m.event == SP_EVENT_FRONT)
			m.event = SP_EVENT_MISS;
	} while (left);
}

static struct sp_member *home(const struct sp_cluster *c, const struct sp_tuple *front)
{
	return sp_members_choose((struct sp_members *)&c->members, front, sizeof(*front));
}

int sp_cluster_is_home(const struct sp_cluster *c, const struct sp_tuple *front)
{
	return !c || !home(c, front);
}

int sp_cluster_is_heir(const struct sp_cluster *c, const char *name)
{
	return !c || !sp_members_choose((struct sp_members *)&c->members, name, strlen(name));
}

void sp_cluster_tell_home(struct sp_cluster *c, enum sp_event_kind kind, const struct sp_segment *seg)
{
	struct sp_member *to = c ? home(c, &seg->tuple) : NULL;

	if (to)
		tell_segment(c, to, kind, seg);
}

int sp_cluster_tell_owner(struct sp_cluster *c, enum sp_event_kind kind, const struct sp_segment *seg)
{
	struct sp_member *to = c ? sp_members_by_snat(&c->members, &seg->tuple.daddr) : NULL;

	if (!to || !to->is_alive)
		return -ENOENT;
	tell_segment(c, to, kind, seg);
	return 0;
}

void sp_cluster_tell_all(struct sp_cluster *c, enum sp_event_kind kind, const struct sp_segment *seg)
{
	if (c)
		tell_segment(c, NULL, kind, seg);
}

void sp_cluster_tell_ends(struct sp_cluster *c, const struct sp_tuple *front, __u32 client_isn, __u8 state)
{
	struct sp_message m = {
		.kind = SP_MESSAGE_ENDS, .ends = { *front, client_isn, state & SP_USE_S_ENDS },
	};

	if (c)
		c->counters.ends_sent += tell(c, NULL, &m);
}

/* To the dead as well: they may only seem so. */
static void say_hello(struct sp_cluster *c)
{
	struct sp_message m = { .kind = SP_MESSAGE_HELLO, .state = c->members.self.state };
	__u8 bytes[SP_MESSAGE_BYTES_MAX];
	size_t len;

	if (c->events)
		m.splices = c->events->splices(c->ctx);
	c->members.self.splices = m.splices;
	len = write_message(c, &m, bytes);
	for (unsigned int i = 0; i < c->members.count; i++)
		enqueue(c, &c->members.others[i], bytes, len);
	c->counters.hellos_sent += c->members.count;
}

/* Under its name and its endpoint: so that two of one name see each other. */
static void announce(struct sp_cluster *c)
{
	const struct sp_member *self = &c->members.self;
	char name[SP_MEMBER_NAME_MAX + SP_ENDPOINT_STRLEN + 2], at[SP_ENDPOINT_STRLEN];
	__u8 record[SP_MEMBER_RECORD_MAX];
	size_t len = sp_member_record_write(&c->seal, self, record);

	snprintf(name, sizeof(name), "%s %s", self->name, sp_endpoint_format(&self->relay.addr, self->relay.port_be, at));
	c->store->engine->announce(c->store, name, record, len);
}

/* ---- receiving ---- */

static void log_member(const struct sp_member *m, const char *what)
{
	char at[SP_ENDPOINT_STRLEN];

	log_info("proxy %s at %s: %s", m->name, sp_endpoint_format(&m->relay.addr, m->relay.port_be, at), what);
}

static void homes_changed(struct sp_cluster *c)
{
	if (c->events)
		c->events->homes(c->ctx);
}

static void name_taken(struct sp_cluster *c, const struct sp_endpoint *at)
{
	char text[SP_ENDPOINT_STRLEN];

	c->counters.member_refused_name++;
	log_warn_limited("cluster: name: two proxies have the same one, and the one at %s is left out: names must differ",
			 sp_endpoint_format(&at->addr, at->port_be, text));
}

void sp_cluster_heard(struct sp_cluster *c, const void *record, size_t len)
{
	unsigned int count;
	struct sp_member m;

	if (!c)
		return;
	c->is_listed = 1;
	if (sp_member_record_read(&c->seal, record, len, &m) != SP_MESSAGE_OK) {
		c->counters.member_refused_record++;
		log_warn_limited("cluster: refused the record of a member: not of this cluster's key and version");
		return;
	}
	count = c->members.count;
	switch (sp_members_record(&c->members, &m, uv_hrtime())) {
	case SP_MEMBER_NAME_TAKEN: name_taken(c, &m.relay); break;
	case SP_MEMBER_FULL: c->counters.member_refused_full++; break;
	case SP_MEMBER_REPLAYED:	/* a server that was away for a while still has the one before */
	case SP_MEMBER_UNKNOWN:
	case SP_MEMBER_NEWS:
	case SP_MEMBER_SAME:
		break;
	}
	if (c->members.count > count) {
		log_member(&m, "is in the store");
		say_hello(c);
	}
}

static void hear_hello(struct sp_cluster *c, const struct sp_message *m, const struct sp_endpoint *from)
{
	struct sp_member said = {
		.id = m->from, .relay = *from, .started_ns = m->started_ns, .seq = m->seq, .state = m->state,
		.splices = m->splices,
	}, *member = sp_members_by_id(&c->members, m->from);
	int was_alive = member && member->is_alive;

	c->counters.hellos_heard++;
	switch (sp_members_hello(&c->members, &said, uv_hrtime())) {
	case SP_MEMBER_SAME:
	case SP_MEMBER_FULL:
		break;
	case SP_MEMBER_NEWS:
		assert(member);		/* else it is not known, and nothing new */
		log_member(member, was_alive ? sp_member_state_name(member->state) : "lives");
		homes_changed(c);
		break;
	case SP_MEMBER_UNKNOWN: c->counters.relay_refused_unknown++; break;
	case SP_MEMBER_REPLAYED: c->counters.relay_refused_replayed++; break;
	case SP_MEMBER_NAME_TAKEN: name_taken(c, from); break;
	}
}

/* HELLOs must come from where the store says that their sender is; the others need a sender that is known. */
static void hear(struct sp_cluster *c, const struct sp_message *m, const struct sp_endpoint *from)
{
	if (m->kind != SP_MESSAGE_HELLO && !sp_members_by_id(&c->members, m->from)) {
		c->counters.relay_refused_unknown++;
		return;
	}
	switch (m->kind) {
	case SP_MESSAGE_HELLO:
		hear_hello(c, m, from);
		break;
	case SP_MESSAGE_SEGMENT:
		c->counters.segments_heard++;
		if (c->events)
			c->events->segment(c->ctx, m->event, &m->segment);
		break;
	case SP_MESSAGE_ENDS:
		c->counters.ends_heard++;
		if (c->events && c->events->ends)
			c->events->ends(c->ctx, &m->ends.front, m->ends.client_isn, m->ends.state);
		break;
	case SP_MESSAGE_NONE:
	case SP_MESSAGE_KIND_COUNT:
		break;
	}
}

static void refused(struct sp_cluster *c, enum sp_message_refusal refusal)
{
	switch (refusal) {
	case SP_MESSAGE_OK: break;
	case SP_MESSAGE_REFUSED_LENGTH: c->counters.relay_refused_length++; break;
	case SP_MESSAGE_REFUSED_MAGIC: c->counters.relay_refused_magic++; break;
	case SP_MESSAGE_REFUSED_VERSION: c->counters.relay_refused_version++; break;
	case SP_MESSAGE_REFUSED_FOREIGN: c->counters.relay_refused_foreign++; break;
	case SP_MESSAGE_REFUSED_FORGED: c->counters.relay_refused_forged++; break;
	case SP_MESSAGE_REFUSED_MALFORMED: c->counters.relay_refused_malformed++; break;
	}
}

static void read_message(struct sp_cluster *c, const void *bytes, size_t len, const union endpoint *from)
{
	struct sp_endpoint at = from_sockaddr(from);
	struct sp_message m;
	enum sp_message_refusal refusal = sp_message_read(&c->seal, bytes, len, &m);

	if (refusal == SP_MESSAGE_OK)
		hear(c, &m, &at);
	else
		refused(c, refusal);
}

static int receive(struct sp_cluster *c)
{
	struct inbox *in = &c->in;
	int n;

	for (int i = 0; i < BATCH; i++) {
		in->iovs[i] = (struct iovec){ .iov_base = in->bytes[i], .iov_len = RECEIVE_BYTES };
		in->msgs[i].msg_hdr = (struct msghdr){
			.msg_name = &in->from[i], .msg_namelen = sizeof(in->from[i]), .msg_iov = &in->iovs[i],
			.msg_iovlen = 1,
		};
	}
	n = recvmmsg(c->fd, in->msgs, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++)
		read_message(c, in->bytes[i], in->msgs[i].msg_len, &in->from[i]);
	return n;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	for (int i = 0; i < BATCHES_PER_TURN; i++)
		if (receive(poll->data) < BATCH)
			break;
}

/* ---- time ---- */

static void bury(struct sp_cluster *c, __u64 now_ns, int is_late)
{
	struct sp_member *m;

	while ((m = sp_members_tick(&c->members, now_ns, is_late))) {
		c->counters.members_died++;
		log_member(m, "silent, so it is dead");
		if (c->events && c->events->died)
			c->events->died(c->ctx, m->name);
		homes_changed(c);
	}
}

/* Until the store has answered, it is asked at each tick. */
static void on_tick(uv_timer_t *timer)
{
	struct sp_cluster *c = timer->data;
	__u64 now_ns = uv_hrtime();

	bury(c, now_ns, now_ns - c->ticked_ns >= LATE_NS);
	c->ticked_ns = now_ns;
	if (c->ticks % TICKS_PER_HELLO == 0)
		say_hello(c);
	if (c->ticks % TICKS_PER_RECORD == 0 || !c->is_listed)
		announce(c);
	c->ticks++;
}

void sp_cluster_set_state(struct sp_cluster *c, enum sp_member_state state)
{
	if (!c || c->members.self.state == state)
		return;
	c->members.self.state = state;
	say_hello(c);
	homes_changed(c);
}

/* ---- opening ---- */

static int open_socket(const struct sp_endpoint *at, int *ret_fd)
{
	union endpoint addr;
	socklen_t len = to_sockaddr(at, &addr);
	int fd = socket(addr.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), bytes = BUFFER_BYTES, err;

	if (fd < 0)
		return -errno;
	/* what the kernel allows anybody is enough to work with */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
	if (bind(fd, &addr.any, len)) {
		err = -errno;
		close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

static int describe_self(const struct sp_config *config, struct sp_member *ret_self)
{
	struct sp_member self = { .relay = config->cluster.relay, .state = SP_MEMBER_SYNCING };
	struct timespec ts;

	if (config->cluster.name)
		snprintf(self.name, sizeof(self.name), "%s", config->cluster.name);
	else if (gethostname(self.name, sizeof(self.name)))
		return -errno;
	self.name[SP_MEMBER_NAME_MAX] = 0;
	clock_gettime(CLOCK_REALTIME, &ts);
	self.started_ns = ts.tv_sec * 1000000000ULL + ts.tv_nsec;
	for (size_t i = 0; i < config->snat_count && i < SP_MEMBER_SNATS_MAX; i++)
		self.snats[self.snat_count++] = config->snat_addrs[i];
	*ret_self = self;
	return 0;
}

static int start_handles(struct sp_cluster *c, uv_loop_t *loop)
{
	int err = uv_poll_init(loop, &c->poll, c->fd);

	if (err)
		return err;
	c->poll.data = c;
	c->open_handles++;
	uv_timer_init(loop, &c->timer);
	c->timer.data = c;
	c->open_handles++;
	c->ticked_ns = uv_hrtime();
	err = uv_poll_start(&c->poll, UV_READABLE, on_readable);
	return err ?: uv_timer_start(&c->timer, on_tick, 0, TICK_MS);
}

static int open_parts(struct sp_cluster *c, uv_loop_t *loop, const struct sp_config *config)
{
	struct sp_member self = { 0 };
	struct sp_keys keys;
	int err = sp_keys_read(config->key_file, &keys);

	if (err)
		return err;
	sp_seal_init(&c->seal, keys.key, keys.count);
	err = describe_self(config, &self);
	if (err)
		return err;
	sp_members_init(&c->members, &self);
	err = open_socket(&self.relay, &c->fd);
	return err ?: start_handles(c, loop);
}

int sp_cluster_open(uv_loop_t *loop, const struct sp_config *config, struct sp_store *store,
		    struct sp_cluster **ret_cluster)
{
	char at[SP_ENDPOINT_STRLEN];
	struct sp_cluster *c;
	int err;

	*ret_cluster = NULL;
	if (!store->engine->announce)
		return 0;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->fd = -1;
	c->store = store;
	err = open_parts(c, loop, config);
	if (err) {
		log_err_errno(err, "cluster: relay: %s: can't listen there",
			      sp_endpoint_format(&config->cluster.relay.addr, config->cluster.relay.port_be, at));
		sp_cluster_close(c);
		return err;
	}
	*ret_cluster = c;
	return 0;
}

static void put(struct sp_cluster *c)
{
	if (c->open_handles)
		return;
	if (c->fd >= 0)
		close(c->fd);
	free(c);
}

static void on_closed(uv_handle_t *handle)
{
	struct sp_cluster *c = handle->data;

	c->open_handles--;
	put(c);
}

void sp_cluster_close(struct sp_cluster *c)
{
	if (!c)
		return;
	c->events = NULL;
	if (!c->open_handles) {
		put(c);
		return;
	}
	uv_close((uv_handle_t *)&c->poll, on_closed);
	if (c->open_handles > 1)
		uv_close((uv_handle_t *)&c->timer, on_closed);
}

void sp_cluster_listen(struct sp_cluster *c, const struct sp_cluster_events *events, void *ctx)
{
	if (!c)
		return;
	c->events = events;
	c->ctx = ctx;
}

enum sp_member_state sp_cluster_state(const struct sp_cluster *c)
{
	return c ? c->members.self.state : SP_MEMBER_READY;
}

int sp_cluster_member(const struct sp_cluster *c, unsigned int idx, struct sp_member *ret_member)
{
	if (!c || idx > c->members.count)
		return -ENOENT;
	*ret_member = idx ? c->members.others[idx - 1] : c->members.self;
	return 0;
}

const struct sp_cluster_counters *sp_cluster_counters(const struct sp_cluster *c)
{
	static const struct sp_cluster_counters none;

	return c ? &c->counters : &none;
}
