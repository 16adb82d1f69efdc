/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * proxies.h - for tests: several proxies in one process, each with its own open store, on one loop.
 */
#ifndef SP_TEST_PROXIES_H
#define SP_TEST_PROXIES_H

#include "store/redis/redis.h"
#include "servers.h"

#define ANSWERS_MAX	20000
#define NOT_YET		1	/* no answer has come */
#define PROXIES_MAX	8
#define WAIT_MS		5000	/* for what comes at once where processors are free */

/* What has come for a ref, or for the last fetch. */
struct answer {
	int			err;
	struct sp_splice	splice;
};

/* What has come of the last head(), and of the last heads(). */
struct read_head {
	int			err;
	struct sp_stash_offer	offer;
	__u32			len;
	char			bytes[SP_STASH_HEAD_MAX];
};

#define HEADS_MAX	1300
struct listed {
	int		err;
	unsigned int	count;
	struct sp_tuple	fronts[HEADS_MAX];
};

struct proxy {
	struct sp_store			*store;
	struct sp_config		config;
	struct sp_store_server_conf	servers[SERVERS_MAX];
	struct sp_store			local;
	int				local_err;	/* what the store of this box says */
	struct answer			committed[ANSWERS_MAX];
	struct answer			fetched;
	int				stashed, stashed_count;
	struct read_head		head;
	struct listed			heads;
	struct answer			kept, outdated;	/* the last of each: front and client_isn */
	int				committed_count, fetched_count, emptied_count, kept_count,
		outdated_count;
	void				(*found)(struct proxy *p, const struct sp_splice *splice);
	int				found_count, scanned_err, scanned_count;
};

extern uv_loop_t loop;
/*
 * Of proxies that are opened from now on. By default longer than any answer takes on a machine that
 * has other work.
 */
extern __u64 store_timeout_ns;
#define STORE_TIMEOUT_NS	2000000000
#define STORE_TIMEOUT_USUAL_NS	300000000

/*
 * A proxy on the first @count servers; @copies 0: the default. It waits until all of them that run
 * are up.
 */
struct proxy *proxy_open(struct servers *s, int count, int copies);
/* The same, not yet waited for, so that @p->config can be changed; then proxy_start(). */
struct proxy *proxy_new(struct servers *s, int count, int copies);
void proxy_start(struct proxy *p);
void proxy_close(struct proxy *p);
int proxy_servers_up(struct proxy *p);

/* Runs the loop until *@value has changed from @from, for at most @ms. Return: whether it has. */
int run_until_changed(const int *value, int from, int ms);
void run_for(int ms);
/* Runs the loop until all that proxies have said has been answered, or given up. */
void settle(void);
double now_ms(void);

/* One after the other, waited for. Return: err. */
int commit(struct proxy *p, const struct sp_splice *s, __u64 ref);
int fetch(struct proxy *p, const struct sp_tuple *key);

int stash(struct proxy *p, const struct sp_tuple *front, const struct sp_stash_offer *offer,
	  const char *bytes,
	  __u32 from, __u32 to);
int head(struct proxy *p, const struct sp_tuple *front);
int heads(struct proxy *p, const char *owner, __u64 age_ms);

/* The @id-th connection, as the @maker-th proxy would make it. */
struct sp_splice splice_of(unsigned int id, unsigned int maker);
struct sp_tuple down_of(const struct sp_splice *s);
int is_same_splice(const struct sp_splice *a, const struct sp_splice *b);

/* Past the code under test. */
int server_has_splice(struct servers *servers, int idx, const struct sp_splice *s);

extern struct sp_seal test_seal;

#endif
