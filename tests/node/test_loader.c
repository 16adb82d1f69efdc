/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_loader.c - src/node/loader.c: loads of a configuration beside the loop */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

#include "node/loader.c"
#include "node/worker.c"

/* A load waits for a byte of the pipe `gate`. */
struct fixture {
	uv_loop_t		loop;
	struct sp_worker	*worker;
	struct sp_loader	*loader;
	struct sp_role		role;
	unsigned int		ends;
	__u64			ticket;
	int			err;
	char			error[SP_CONFIG_ERROR_MAX];
	struct sp_config	*next;
};

static int gate[2], loads;
static struct sp_config made;

int sp_confine(void)
{
	return 0;
}

static int load_slowly(const char *path, char error[SP_CONFIG_ERROR_MAX],
		       struct sp_config **ret_config)
{
	char letter;

	assert_int_equal(read(gate[0], &letter, 1), 1);
	__atomic_add_fetch(&loads, 1, __ATOMIC_RELAXED);
	if (letter == 'x') {
		snprintf(error, SP_CONFIG_ERROR_MAX, "%s:1:2: bad", path);
		return -EINVAL;
	}
	made.refs = 2;
	*ret_config = &made;
	return 0;
}

static void on_loaded(void *ctx, __u64 ticket, int err, const char *error, struct sp_config *next)
{
	struct fixture *f = ctx;

	f->ends++;
	f->ticket = ticket;
	f->err = err;
	snprintf(f->error, sizeof(f->error), "%s", error);
	f->next = next;
}

static void open_gate(char letter)
{
	assert_int_equal(write(gate[1], &letter, 1), 1);
}

static void await_ends(struct fixture *f, unsigned int ends)
{
	for (int i = 0; i < 5000 && f->ends < ends; i++) {
		uv_run(&f->loop, UV_RUN_NOWAIT);
		usleep(1000);
	}
	assert_int_equal(f->ends, ends);
}

static void open_loader(struct fixture *f)
{
	assert_int_equal(sp_worker_open(&f->loop, &f->worker), 0);
	assert_int_equal(sp_loader_new(f->worker, &f->role, "a.yaml", on_loaded, f, &f->loader), 0);
}

static void close_loader(struct fixture *f)
{
	sp_worker_close(f->worker);
	sp_loader_free(f->loader);
	uv_run(&f->loop, UV_RUN_NOWAIT);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	loads = 0;
	assert_int_equal(pipe(gate), 0);
	assert_int_equal(uv_loop_init(&f->loop), 0);
	f->role.load = load_slowly;
	open_loader(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	close_loader(f);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	close(gate[0]);
	close(gate[1]);
	free(f);
	return 0;
}

static void the_loop_turns_while_a_load_runs(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(sp_loader_start(f->loader), 1);
	for (int i = 0; i < 20; i++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(f->ends, 0);
	open_gate('.');
	await_ends(f, 1);
	assert_int_equal(f->ticket, 1);
	assert_int_equal(f->err, 0);
	assert_ptr_equal(f->next, &made);
}

static void a_bad_file_has_its_place(void **state)
{
	struct fixture *f = *state;

	sp_loader_start(f->loader);
	open_gate('x');
	await_ends(f, 1);
	assert_int_equal(f->err, -EINVAL);
	assert_string_equal(f->error, "a.yaml:1:2: bad");
	assert_null(f->next);
}

/* Files may change during a load: later requests share one more load. */
static void requests_during_a_load_get_one_more(void **state)
{
	struct fixture *f = *state;

	sp_loader_start(f->loader);
	sp_loader_start(f->loader);
	assert_int_equal(sp_loader_start(f->loader), 3);
	open_gate('.');
	await_ends(f, 1);
	assert_int_equal(f->ticket, 1);
	open_gate('x');
	await_ends(f, 2);
	assert_int_equal(f->ticket, 3);
	assert_int_equal(f->err, -EINVAL);
	assert_int_equal(loads, 2);
}

/* The result of the load is freed. */
static void the_end_waits_for_a_load(void **state)
{
	struct fixture *f = *state;

	sp_loader_start(f->loader);
	open_gate('.');
	close_loader(f);
	assert_int_equal(f->ends, 0);
	open_loader(f);
}

struct counted {
	struct sp_work	work;
	unsigned int	runs, ends, drops;
};

static void run_counted(struct sp_work *work)
{
	((struct counted *)work)->runs++;
}

static void end_counted(struct sp_work *work)
{
	((struct counted *)work)->ends++;
}

static void drop_counted(struct sp_work *work)
{
	((struct counted *)work)->drops++;
}

/* Behind a load; at the end, work that was not done is dropped. */
static void work_is_done_in_turn_or_dropped(void **state)
{
	struct counted works[3] = { 0 };
	struct fixture *f = *state;

	for (int i = 0; i < 3; i++)
		works[i].work = (struct sp_work){ run_counted, end_counted, drop_counted, NULL };
	sp_loader_start(f->loader);
	sp_worker_add(f->worker, &works[0].work);
	sp_worker_add(f->worker, &works[1].work);
	uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(works[0].ends, 0);
	open_gate('.');
	for (int i = 0; i < 5000 && !works[1].ends; i++) {
		uv_run(&f->loop, UV_RUN_NOWAIT);
		usleep(1000);
	}
	assert_int_equal(f->ends, 1);
	assert_true(works[0].runs == 1 && works[0].ends == 1 && !works[0].drops);
	sp_loader_start(f->loader);
	sp_worker_add(f->worker, &works[2].work);
	open_gate('.');
	close_loader(f);
	assert_true(works[2].drops == 1 && !works[2].ends);
	open_loader(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(the_loop_turns_while_a_load_runs),
		TEST(a_bad_file_has_its_place),
		TEST(requests_during_a_load_get_one_more),
		TEST(the_end_waits_for_a_load),
		TEST(work_is_done_in_turn_or_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
