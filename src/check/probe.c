// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* probe.c - a run: its settings, its response, its end. See probe.h */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "check/probe_internal.h"
#include "check/reason.h"

#define BODY_MAX	(1 << 20)	/* searched for the configured text */
#define RUN_TRIES	3		/* if a local port is in use */
#define URL_MAX		512
#define KEPT_MAX	4096		/* probes kept for their next run */
#define TLS_RESUMED_MS	60000		/* then the certificate is asked for again */

/* ---- responses ---- */

static unsigned int response_status(const struct sp_probe *probe)
{
	long status = 0;

	curl_easy_getinfo(probe->easy, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

/* An empty line ends the head, also the head of an interim response. */
static size_t on_header(char *data, size_t size, size_t count, void *ctx)
{
	struct sp_probe *probe = ctx;
	const struct sp_check_def *def = &probe->check->def;
	unsigned int status = response_status(probe);

	if (size * count > 2 || (*data != '\r' && *data != '\n') || status < 200)
		return size * count;
	probe->run.has_head = 1;
	probe->run.is_enough = !*def->body || !sp_check_is_expected(def->expect, status);
	return probe->run.is_enough ? 0 : size * count;
}

/* The text may begin in one piece of the body, and end in the next. */
static int find_text(struct sp_probe *probe, const char *data, size_t len)
{
	const char *text = probe->check->def.body;
	char joined[SP_PROBE_TEXT_MAX + CURL_MAX_WRITE_SIZE];
	size_t text_len = strlen(text), all = probe->run.tail_len + len;

	if (text_len > SP_PROBE_TEXT_MAX || len > CURL_MAX_WRITE_SIZE)
		return 0;
	memcpy(joined, probe->run.tail, probe->run.tail_len);
	memcpy(joined + probe->run.tail_len, data, len);
	if (memmem(joined, all, text, text_len))
		return 1;
	probe->run.tail_len = all < text_len - 1 ? all : text_len - 1;
	memcpy(probe->run.tail, joined + all - probe->run.tail_len, probe->run.tail_len);
	return 0;
}

static size_t on_body(char *data, size_t size, size_t count, void *ctx)
{
	struct sp_probe *probe = ctx;
	size_t len = size * count;

	probe->run.body_bytes += len;
	probe->run.has_text = *probe->check->def.body && find_text(probe, data, len);
	probe->run.is_enough = probe->run.has_text || probe->run.body_bytes > BODY_MAX;
	return probe->run.is_enough ? 0 : len;
}

/* ---- settings ---- */

static int add_line(struct curl_slist **list, const char *fmt, const char *text)
{
	char line[URL_MAX];
	struct curl_slist *longer;

	snprintf(line, sizeof(line), fmt, text);
	longer = curl_slist_append(*list, line);
	if (longer)
		*list = longer;
	return longer ? 0 : -ENOMEM;
}

static void set_transport(CURL *easy, struct sp_probe *probe)
{
	curl_easy_setopt(easy, CURLOPT_PRIVATE, probe);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, probe->error);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, sp_prober_open_socket);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, probe);
	curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 0L);	/* a request is a single segment */
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)probe->check->def.timeout_ms);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 4096L);
	/* addresses are cached like names, and each connection walks the cache */
	curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
}

/*
 * The TLS session of a probe is in its own handle. Without a directory of authorities libcurl reads
 * the file of authorities once a minute, not once a run.
 */
static void set_tls(CURL *easy, const struct sp_check_def *def)
{
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, (long)def->is_verified);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, def->is_verified ? 2L : 0L);
	curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, TLS_RESUMED_MS / 1000L);
	if (*def->ca_file)
		curl_easy_setopt(easy, CURLOPT_CAINFO, def->ca_file);
}

static int set_request(CURL *easy, struct sp_probe *probe)
{
	const struct sp_check_def *def = &probe->check->def;

	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_REQUEST_TARGET, def->path);
	curl_easy_setopt(easy, CURLOPT_NOBODY, (long)!strcmp(def->method, "HEAD"));
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, def->method);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "spliced-check");
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, probe);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, probe);
	if (add_line(&probe->headers, "Connection: %s", "close") ||
	    (*def->host && add_line(&probe->headers, "Host: %s", def->host)))
		return -ENOMEM;
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, probe->headers);
	return 0;
}

/* The name in the URL is for TLS; packets go to the endpoint of the check. */
static int set_url(CURL *easy, struct sp_probe *probe)
{
	const struct sp_check_def *def = &probe->check->def;
	int is_tls = !strcmp(def->type, "https");
	char at[SP_ENDPOINT_STRLEN], url[URL_MAX];

	sp_endpoint_format(&def->at.addr, def->at.port_be, at);
	if (is_tls && *def->sni) {
		snprintf(url, sizeof(url), "https://%.255s:%u/", def->sni, ntohs(def->at.port_be));
		if (add_line(&probe->connect_to, "::%s", at))
			return -ENOMEM;
		curl_easy_setopt(easy, CURLOPT_CONNECT_TO, probe->connect_to);
	} else {
		snprintf(url, sizeof(url), "%s://%s/", is_tls ? "https" : "http", at);
	}
	curl_easy_setopt(easy, CURLOPT_URL, url);
	if (is_tls)
		set_tls(easy, def);
	return 0;
}

static int make_handle(struct sp_probe *probe)
{
	CURL *easy = curl_easy_init();
	int err;

	if (!easy)
		return -ENOMEM;
	probe->easy = easy;
	probe->made_ms = uv_now(probe->prober->loop);
	set_transport(easy, probe);
	err = set_url(easy, probe);
	if (!strcmp(probe->check->def.type, "tcp"))
		curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
	else
		err = err ?: set_request(easy, probe);
	return err;
}

static void drop_handle(struct sp_probe *probe)
{
	if (probe->easy)
		curl_easy_cleanup(probe->easy);
	curl_slist_free_all(probe->headers);
	curl_slist_free_all(probe->connect_to);
	probe->easy = NULL;
	probe->headers = probe->connect_to = NULL;
}

/* A resumed TLS session shows no certificate. */
static int is_handle_stale(const struct sp_probe *probe)
{
	return !strcmp(probe->check->def.type, "https") &&
	       uv_now(probe->prober->loop) - probe->made_ms >= TLS_RESUMED_MS;
}

/* ---- a run ---- */

static void stop_run(struct sp_probe *probe)
{
	if (probe->is_running)
		curl_multi_remove_handle(probe->prober->multi, probe->easy);
	probe->is_running = 0;
}

static int start_run(struct sp_probe *probe, unsigned int tries)
{
	int err;

	if (probe->easy && is_handle_stale(probe))
		drop_handle(probe);
	err = probe->easy ? 0 : make_handle(probe);
	probe->run = (struct sp_run){ .tries = tries, .fd = -1 };
	probe->error[0] = 0;
	if (!err && curl_multi_add_handle(probe->prober->multi, probe->easy))
		err = -ENOMEM;
	probe->is_running = !err;
	return err;
}

static struct sp_probe *make_probe(struct sp_prober *p, struct sp_check *check)
{
	struct sp_probe *probe = calloc(1, sizeof(*probe));

	if (!probe)
		return NULL;
	probe->prober = p;
	probe->check = check;
	check->probe = probe;
	p->probe_count++;
	return probe;
}

void sp_probe_free(struct sp_probe *probe)
{
	probe->check->probe = NULL;
	stop_run(probe);
	drop_handle(probe);
	probe->prober->probe_count--;
	free(probe);
}

int sp_probe_begin(struct sp_prober *p, struct sp_check *check)
{
	struct sp_probe *probe = check->probe ?: make_probe(p, check);

	if (!probe)
		return -ENOMEM;
	if (!start_run(probe, 1))
		return 0;
	sp_probe_free(probe);
	return -ENOMEM;
}

int sp_probe_is_running(const struct sp_probe *probe)
{
	return probe && probe->is_running;
}

void sp_probe_move(struct sp_probe *probe, struct sp_check *check)
{
	probe->check->probe = NULL;
	probe->check = check;
	check->probe = probe;
}

/* ---- the end of a run ---- */

static struct sp_failure get_failure(const struct sp_probe *probe, CURLcode code)
{
	struct sp_failure f = { .code = code, .detail = probe->error };
	long os_err = 0;

	curl_easy_getinfo(probe->easy, CURLINFO_OS_ERRNO, &os_err);
	f.os_err = probe->run.open_err ?: os_err;
	f.is_connected = probe->run.is_connected;
	return f;
}

/* The local port is in use towards that backend: no fault of the backend. */
static int is_port_taken(const struct sp_failure *f)
{
	return f->code == CURLE_COULDNT_CONNECT && f->os_err == EADDRNOTAVAIL;
}

/* This machine has no port, descriptor or memory left. */
static int is_lack(const struct sp_failure *f)
{
	return f->code == CURLE_OUT_OF_MEMORY || is_port_taken(f) ||
	       (f->code == CURLE_COULDNT_CONNECT &&
		(f->os_err == EMFILE || f->os_err == ENFILE || f->os_err == EADDRINUSE ||
		 f->os_err == ENOBUFS || f->os_err == ENOMEM));
}

/* @reason: SP_CHECK_REASON_MAX bytes */
static enum sp_probe_outcome judge_run(const struct sp_probe *probe, CURLcode code, char *reason)
{
	const struct sp_check_def *def = &probe->check->def;
	struct sp_failure failure = get_failure(probe, code);
	unsigned int status = response_status(probe);

	if (code && !probe->run.is_enough) {
		sp_reason_format(def, &failure, reason);
		return is_lack(&failure) ? SP_PROBE_NONE : SP_PROBE_FAILED;
	}
	if (!strcmp(def->type, "tcp")) {
		strcpy(reason, "connected");
		return SP_PROBE_PASSED;
	}
	if (!probe->run.has_head) {		/* no error for libcurl */
		failure.code = CURLE_PARTIAL_FILE;
		sp_reason_format(def, &failure, reason);
		return SP_PROBE_FAILED;
	}
	sp_reason_of_status(def, status, reason);
	if (!sp_check_is_expected(def->expect, status))
		return SP_PROBE_FAILED;
	if (!*def->body || probe->run.has_text)
		return SP_PROBE_PASSED;
	snprintf(reason, SP_CHECK_REASON_MAX, "HTTP %u, but the body lacks \"%.40s\"", status,
		 def->body);
	return SP_PROBE_FAILED;
}

static int run_again(struct sp_probe *probe)
{
	stop_run(probe);
	return start_run(probe, probe->run.tries + 1);
}

void sp_probe_end(struct sp_probe *probe, CURLcode code)
{
	struct sp_failure failure = get_failure(probe, code);
	struct sp_prober *p = probe->prober;
	struct sp_check *check = probe->check;
	char reason[SP_CHECK_REASON_MAX] = "out of memory";
	enum sp_probe_outcome outcome = SP_PROBE_NONE;
	curl_off_t took_us = 0;
	int is_again = is_port_taken(&failure) && probe->run.tries < RUN_TRIES;

	if (is_again && !run_again(probe))
		return;
	if (!is_again) {
		outcome = judge_run(probe, code, reason);
		curl_easy_getinfo(probe->easy, CURLINFO_TOTAL_TIME_T, &took_us);
	}
	stop_run(probe);
	if (p->probe_count > KEPT_MAX)
		sp_probe_free(probe);
	p->done(p->ctx, check, outcome, took_us / 1000, reason);
}
