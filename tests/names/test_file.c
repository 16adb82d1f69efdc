// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_file.c - files of backends: contents, good and bad; when they are read */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "names/file.c"

#include "base/addr.h"

static char dir[] = "/tmp/sp-file-XXXXXX", path[64];
static struct sp_addr source;
static struct sp_backend_conf written = { .name = "written" };
static struct sp_pool_conf pool = { .name = "web", .backends_file = path, .backend_count = 1,
				    .backends = &written };
static struct sp_config config = { .snat_count = 1, .snat_addrs = &source, .pool_count = 1,
				   .pools = &pool };
static struct sp_file f;

static int begin(void **state)
{
	assert_int_equal(sp_addr_parse("10.0.0.1", &source), 0);
	assert_int_equal(sp_addr_parse("10.0.0.9", &written.at.addr), 0);
	f = (struct sp_file){ .pool = &pool, .wd = -1 };
	return 0;
}

static int end(void **state)
{
	sp_backend_list_free(f.list);
	unlink(path);
	return 0;
}

static void write_file(const char *text)
{
	FILE *file = fopen(path, "w");

	fputs(text, file);
	fclose(file);
}

static int read_text(const char *text)
{
	write_file(text);
	return sp_file_read(&f, &config, 1);
}

static void two_forms(void **state)
{
	assert_int_equal(read_text("- 10.0.0.2:80\n- {address: \"10.0.0.3:81\", weight: 0, name: c}\n"), 1);
	assert_string_equal(f.error, "");
	assert_int_equal(f.list->count, 2);
	assert_string_equal(f.list->all[0].name, "10.0.0.2:80");
	assert_int_equal(f.list->all[0].weight, 1);
	assert_string_equal(f.list->all[1].name, "c");
	assert_int_equal(f.list->all[1].weight, 0);
	assert_int_equal(read_text("[\"10.0.0.2:80\", {\"address\": \"10.0.0.3:81\", \"weight\": 0, "
				   "\"name\": \"c\"}]"), 0);	/* equal, as JSON */
	assert_int_equal(read_text("[]"), 1);
	assert_int_equal(f.list->count, 0);
}

static void bad_files_change_nothing(void **state)
{
	static const struct { const char *text, *error; } rows[] = {
		{ "", ":1:1: found nothing" },
		{ "# all gone\n", ":1:1: found nothing" },
		{ "10.0.0.2:80\n", ":1:1: backends: found \"10.0.0.2:80\"" },
		{ "- 10.0.0.2:80\n- 10.0.0.2", ":2:3: backends: found \"10.0.0.2\"" },
		{ "- 10.0.0.2:80\n- 10.0.0.2:80\n", ":2:3: address: found 10.0.0.2:80 again" },
		{ "- {address: \"10.0.0.2:80\", wieght: 1}", ":1:28: a backend: found the unknown key" },
		{ "- {address: \"app.internal:80\"}", ":1:3: backends: found a name" },
		{ "- {srv: _http._tcp.app.internal}", ":1:3: backends: found a name" },
		{ "- {address: \"10.0.0.2:80\", name: written}", ":1:3: name: found \"written\"" },
		{ "- \"[2001:db8::2]:80\"", ":1:3: address: found an IPv6 backend" },
		{ "- [10.0.0.2]", ":1:3: a backend: found a list" },
		{ "- 10.0.0.2:80\n- {address: ", ":3:1: bad YAML" },
		{ "- 0.0.0.0:80", ":1:3: backends: found \"0.0.0.0:80\"" },
	};

	assert_int_equal(read_text("[10.0.0.2:80]"), 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(read_text(rows[i].text), 0);
		if (strncmp(f.error, path, strlen(path)) ||
		    strncmp(f.error + strlen(path), rows[i].error, strlen(rows[i].error)))
			fail_msg("%s: found %s", rows[i].text, f.error);
		assert_int_equal(f.failed_reads, i + 1);
		assert_int_equal(f.list->count, 1);
	}
	assert_int_equal(read_text("[10.0.0.2:80]"), 0);
	assert_string_equal(f.error, "");
}

static void sizes_have_bounds(void **state)
{
	FILE *file = fopen(path, "w");

	for (unsigned int i = 0; i < 4097; i++)
		fprintf(file, "- 10.1.%u.%u:80\n", i / 256, i % 256);
	fclose(file);
	assert_int_equal(sp_file_read(&f, &config, 1), 0);
	assert_non_null(strstr(f.error, "a list of 4097; allowed: 0 to 4096"));
	assert_int_equal(truncate(path, SP_BACKENDS_FILE_BYTES_MAX + 1), 0);
	assert_int_equal(sp_file_read(&f, &config, 1), 0);
	assert_non_null(strstr(f.error, "more than 1 MiB"));
}

static void no_file(void **state)
{
	assert_int_equal(sp_file_read(&f, &config, 1), 0);
	assert_non_null(strstr(f.error, "No such file"));
	assert_int_equal(mkdir(path, 0700), 0);
	sp_file_read(&f, &config, 1);
	assert_non_null(strstr(f.error, "is no regular file"));
	rmdir(path);
	assert_int_equal(mkfifo(path, 0600), 0);		/* does not block */
	sp_file_read(&f, &config, 1);
	assert_non_null(strstr(f.error, "is no regular file"));
}

/* Without a watch: a file that is being written is left alone. */
static void a_change_without_watch_must_settle(void **state)
{
	__u64 now_ns = 10 * SP_FILE_POLL_NS;

	read_text("[10.0.0.2:80]");
	assert_int_equal(sp_file_look(&f, &config, now_ns), 0);
	write_file("[10.0.0.3:80, 10.0.0.");
	assert_int_equal(sp_file_look(&f, &config, now_ns + SP_FILE_POLL_NS / 2), 0);
	assert_int_equal(sp_file_look(&f, &config, now_ns += SP_FILE_POLL_NS), 0);
	assert_int_equal(f.failed_reads, 0);
	write_file("[10.0.0.3:80, 10.0.0.4:80]");
	assert_int_equal(sp_file_look(&f, &config, now_ns += SP_FILE_POLL_NS), 0);
	assert_int_equal(sp_file_look(&f, &config, now_ns += SP_FILE_POLL_NS), 1);
	assert_int_equal(f.list->count, 2);
	assert_int_equal(f.reads, 2);
	assert_int_equal(sp_file_look(&f, &config, now_ns += SP_FILE_POLL_NS), 0);
	assert_int_equal(f.reads, 2);
}

static void a_lost_file_is_told_once(void **state)
{
	__u64 now_ns = 10 * SP_FILE_POLL_NS;

	read_text("[10.0.0.2:80]");
	unlink(path);
	sp_file_look(&f, &config, now_ns);
	sp_file_look(&f, &config, now_ns += SP_FILE_POLL_NS);
	assert_int_equal(f.failed_reads, 1);
	assert_int_equal(f.list->count, 1);
	write_file("[10.0.0.2:80]");
	sp_file_look(&f, &config, now_ns += SP_FILE_POLL_NS);
	sp_file_look(&f, &config, now_ns += SP_FILE_POLL_NS);
	assert_string_equal(f.error, "");
}

static void note(unsigned int mask, const char *name)
{
	struct {
		struct inotify_event	event;
		char			name[64];
	} e = { .event = { .wd = f.wd, .mask = mask, .len = sizeof(e.name) } };

	snprintf(e.name, sizeof(e.name), "%s", name);
	sp_file_note(&f, &e.event);
}

static void events_of_the_watch(void **state)
{
	int fd = inotify_init1(IN_NONBLOCK);

	sp_file_watch(&f, fd);
	assert_true(f.wd >= 0);
	note(IN_CLOSE_WRITE, "other");
	assert_int_equal(f.poke, SP_FILE_QUIET);
	note(IN_MOVED_TO, "..data");
	assert_int_equal(f.poke, SP_FILE_MAYBE);
	note(IN_MOVED_TO, "list");
	assert_int_equal(f.poke, SP_FILE_WRITTEN);
	write_file("[10.0.0.2:80]");
	assert_int_equal(sp_file_look(&f, &config, 1), 1);
	note(IN_DELETE_SELF, "");
	assert_int_equal(f.wd, -1);
	close(fd);
}

static int make_dir(void **state)
{
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/list", dir);
	return 0;
}

static int remove_dir(void **state)
{
	return rmdir(dir);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		CASE(two_forms),
		CASE(bad_files_change_nothing),
		CASE(sizes_have_bounds),
		CASE(no_file),
		CASE(a_change_without_watch_must_settle),
		CASE(a_lost_file_is_told_once),
		CASE(events_of_the_watch),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
