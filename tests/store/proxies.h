/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * proxies.h - for tests: several proxies in one process, each with its own open store, on one loop.
 */
#ifndef SP_TEST_PROXIES_H
#define SP_TEST_PROXIES_H

#include "store/redis/redis.h"
#include "servers.h"

#define ANSWERS_MAX	20000
#define NOT_YET		1	/* no answer yet */
#define PROXIES_MAX	8
#define WAIT_MS		5000	/* for results that are immediate if processors are free */

/* The answer to a ref, or to the last fetch. */
struct answer {
	int			err;
	struct sp_splice	splice;
};

/* Results of the last head(), and of the last heads(). */
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
	int				local_err;	/* answer of this box's store */
	struct answer			committed[ANSWERS_MAX];
	struct answer			fetched;
	int				stashed, stashed_count;
	struct read_head		head;
	struct listed			heads;
	struct answer			kept, outdated;	/* the latest: front, client_isn, version */
	int				committed_count, fetched_count, emptied_count, kept_count,
		outdated_count;
	void				(*found)(struct proxy *p, const struct sp_splice *splice);
	int				found_count, scanned_err, scanned_count;
};

extern uv_loop_t loop;
/*
 * Time-out of proxies opened from now on. The default is longer than any answer takes on a busy
 * machine.
 */
extern __u64 store_timeout_ns;
#define STORE_TIMEOUT_NS	2000000000
#define STORE_TIMEOUT_USUAL_NS	300000000

/*
 * Open a proxy on the first @count servers; @copies 0: the default. Return once all running servers
 * are up.
 */
struct proxy *proxy_open(struct servers *s, int count, int copies);
/* As proxy_open(), but without waiting, so that @p->config can be changed; then proxy_start(). */
struct proxy *proxy_new(struct servers *s, int count, int copies);
void proxy_start(struct proxy *p);
void proxy_close(struct proxy *p);
int proxy_servers_up(struct proxy *p);

/* Run the loop until *@value differs from @from, for at most @ms. Return: whether it does. */
int run_until_changed(const int *value, int from, int ms);
void run_for(int ms);
/* Run the loop until all requests of proxies are answered or given up. */
void settle(void);
double now_ms(void);

/* Run a request and wait for the answer. Return: err. */
int commit(struct proxy *p, const struct sp_splice *s, __u64 ref);
int fetch(struct proxy *p, const struct sp_tuple *key);

int stash(struct proxy *p, const struct sp_tuple *front, const struct sp_stash_offer *offer,
	  const char *bytes,
	  __u32 from, __u32 to);
int head(struct proxy *p, const struct sp_tuple *front);
int heads(struct proxy *p, const char *owner, __u64 age_ms);

/* The @id-th connection, as the @maker-th proxy would make it. */
struct sp_splice splice_of(unsigned int id, unsigned int maker);
/* The same, with a version and a boundary. */
struct sp_splice version_of(unsigned int id, unsigned int maker, __u32 version);
struct sp_tuple down_of(const struct sp_splice *s);
int is_same_splice(const struct sp_splice *a, const struct sp_splice *b);

/* Look-up without the code under test. */
int server_has_splice(struct servers *servers, int idx, const struct sp_splice *s);

extern struct sp_seal test_seal;

#endif
