// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measured.h"

#include <errno.h>
#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"

#define LINE_LENGTH_MAX 4096
#define COLUMNS_MAX	32
#define MS_AN_HOUR	3600000.0
#define CONFIDENCE	0.95

enum { ID, FAULT, OUTCOME, STALL, NAMES };

static const char *const names[NAMES] = { "id", "fault", "outcome", "stall_ms" };

/* @column: of each name; @shot: what the row before was of */
struct table {
	int		column[NAMES];
	char		shot[64];
	double		worst_ms;
	int		is_broken;
	double		sum_ms;		/* of the shot's clients */
	unsigned int	clients;
	double		in_time_ms;
	double		detect_ms;	/* sums over faults */
	double		reboot_ms;
	unsigned int	detect_clients;
	unsigned int	in_time;
	unsigned int	late;
};

static int split_line(char *line, char *fields[COLUMNS_MAX])
{
	int count = 0;

	line[strcspn(line, "\r\n")] = '\0';
	while (count < COLUMNS_MAX && (fields[count] = strsep(&line, ",")))
		count++;
	return count;
}

static int read_header(struct table *t, char *line, char error[SP_PLAN_ERROR_MAX])
{
	char *fields[COLUMNS_MAX];
	int count = split_line(line, fields);

	for (int n = 0; n < NAMES; n++) {
		t->column[n] = -1;
		for (int i = 0; i < count; i++)
			if (!strcmp(fields[i], names[n]))
				t->column[n] = i;
		if (t->column[n] < 0) {
			snprintf(error, SP_PLAN_ERROR_MAX, "no column `%s`", names[n]);
			return -EINVAL;
		}
	}
	return 0;
}

static int is_host_fault(const char *fault)
{
	return !strcmp(fault, "host_lost") || !strcmp(fault, "host_back") ||
	       !strcmp(fault, "two_hosts");
}

static void end_shot(struct table *t)
{
	if (t->clients && !t->is_broken && t->worst_ms <= t->in_time_ms) {
		t->in_time++;
		t->detect_ms += t->sum_ms;
		t->detect_clients += t->clients;
	} else if (t->clients) {
		t->late++;
		t->reboot_ms += t->worst_ms;
	}
	t->clients = 0;
	t->sum_ms = t->worst_ms = t->is_broken = 0;
}

static int read_row(struct table *t, char *line, char error[SP_PLAN_ERROR_MAX])
{
	char *fields[COLUMNS_MAX], shot[sizeof(t->shot)];
	int count = split_line(line, fields);
	const char *why;
	double ms;

	for (int n = 0; n < NAMES; n++)
		if (t->column[n] >= count) {
			snprintf(error, SP_PLAN_ERROR_MAX, "no %s", names[n]);
			return -EINVAL;
		}
	if (!is_host_fault(fields[t->column[FAULT]]))
		return 0;
	if (sp_parse_number(fields[t->column[STALL]], &ms, &why) || ms < 0) {
		snprintf(error, SP_PLAN_ERROR_MAX, "stall_ms `%.20s` is no time",
			 fields[t->column[STALL]]);
		return -EINVAL;
	}
	snprintf(shot, sizeof(shot), "%.*s", (int)strcspn(fields[t->column[ID]], "-"),
		 fields[t->column[ID]]);
	if (strcmp(shot, t->shot) != 0)
		end_shot(t);
	memcpy(t->shot, shot, sizeof(shot));
	t->clients++;
	t->sum_ms += ms;
	t->worst_ms = fmax(t->worst_ms, ms);
	t->is_broken |= strcmp(fields[t->column[OUTCOME]], "ok") != 0;
	return 0;
}

static int read_table(struct table *t, FILE *file, const char *path, char error[SP_PLAN_ERROR_MAX])
{
	char line[LINE_LENGTH_MAX], why[SP_PLAN_ERROR_MAX] = "it is empty";
	int err = -EINVAL;

	for (unsigned int number = 1; fgets(line, sizeof(line), file); number++) {
		err = number == 1 ? read_header(t, line, why) : read_row(t, line, why);
		if (err) {
			snprintf(error, SP_PLAN_ERROR_MAX, "%.100s:%u: %.140s", path, number, why);
			return err;
		}
	}
	end_shot(t);
	if (!err && !(t->in_time + t->late))
		snprintf(error, SP_PLAN_ERROR_MAX, "%.150s: no fault in it took a host", path);
	else if (err)
		snprintf(error, SP_PLAN_ERROR_MAX, "%.150s: %.50s", path, why);
	return err ?: t->in_time + t->late ? 0 : -EINVAL;
}

int sp_measured_read(const char *path, void *params, char error[SP_PLAN_ERROR_MAX])
{
	struct sp_plan_cluster *c = params;
	struct table t = { .in_time_ms = c->in_time * MS_AN_HOUR };
	FILE *file = fopen(path, "r");
	int err = file ? 0 : -errno;

	if (err) {
		snprintf(error, SP_PLAN_ERROR_MAX, "%.150s: %s", path, strerror(-err));
		return err;
	}
	err = read_table(&t, file, path, error);
	fclose(file);
	if (err)
		return err;
	c->measured_in_time = t.in_time;
	c->measured = t.in_time + t.late;
	c->coverage = (double)t.in_time / c->measured;
	if (t.in_time)
		c->detect = t.detect_ms / t.detect_clients / MS_AN_HOUR;
	if (t.late)
		c->reboot = t.reboot_ms / t.late / MS_AN_HOUR;
	return 0;
}

double sp_measured_bound(unsigned int in_time, unsigned int faults)
{
	return in_time ? gsl_cdf_beta_Pinv(1 - CONFIDENCE, in_time, faults - in_time + 1) : 0;
}
