// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "store/redis/script.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define LATE								\
	"local now = redis.call('TIME')\n"				\
	"if now[1] * 1000 + now[2] / 1000 > tonumber(ARGV[3]) then return 'L' end\n"

/* v: what is there; s: its state; r: its record, or the beginning of one */
#define GET								\
	"local v = redis.call('GET', KEYS[1])\n"			\
	"local s = v and v:sub(1, 1)\n"					\
	"local r = v and v:sub(s == 'P' and 27 or 2)\n"

#define GET_OF_THIS_CONNECTION						\
	GET								\
	"if v and r:sub(5, 8) ~= ARGV[1]:sub(5, 8) then v = false end\n"

#define PUT_DOWN "redis.call('SET', KEYS[2], KEYS[1]:sub(2), 'PX', ARGV[2])\n"

/* The records' seals differ when the cluster's key is being replaced. */
#define IS_SAME "r:sub(5, -9) == ARGV[1]:sub(5, -9)"

/* The packed tuple proxy -> backend of a record. */
#define BACK(r) r ":sub(34, -9)"

static const char *const texts[SP_SCRIPT_COUNT] = {
	[SP_SCRIPT_CLAIM] =
		LATE
		"local f = 'F' .. ARGV[1]\n"
		"local v = redis.call('SET', KEYS[1], f, 'NX', 'GET', 'PX', ARGV[2])\n"
		"if v then\n"
		"  local at = v:byte() == 80 and 31 or 6\n"	/* P, and two ballots before the record */
		"  if v:sub(at, at + 3) == ARGV[1]:sub(5, 8) then return v end\n"
		"  redis.call('SET', KEYS[1], f, 'PX', ARGV[2])\n"
		"end\n"
		PUT_DOWN
		"return false\n",
	[SP_SCRIPT_PREPARE] =
		LATE GET_OF_THIS_CONNECTION
		"local promised, accepted, origin = '000000000000', '000000000000', '-'\n"
		"if not v then\n"
		"  r = ARGV[1]:sub(1, 8)\n"
		"elseif s == 'C' then\n"
		"  return v\n"
		"elseif s == 'P' then\n"
		"  promised, accepted, origin = v:sub(2, 13), v:sub(14, 25), v:sub(26, 26)\n"
		"  if tonumber(promised, 16) >= tonumber(ARGV[4], 16) then return v end\n"
		"else\n"
		"  origin = s\n"
		"end\n"
		"v = 'P' .. ARGV[4] .. accepted .. origin .. r\n"
		"redis.call('SET', KEYS[1], v, 'PX', ARGV[2])\n"
		"return v\n",
	[SP_SCRIPT_ACCEPT] =
		LATE GET_OF_THIS_CONNECTION
		"if v and s == 'C' then return v end\n"
		"if v and s == 'P' and tonumber(v:sub(2, 13), 16) > tonumber(ARGV[4], 16) then return v end\n"
		"v = 'P' .. ARGV[4] .. ARGV[4] .. 'P' .. ARGV[1]\n"
		"redis.call('SET', KEYS[1], v, 'PX', ARGV[2])\n"
		PUT_DOWN
		"return v\n",
	[SP_SCRIPT_LOOK] =
		"local key, front = KEYS[1], ''\n"
		"local v = redis.call('GET', key)\n"
		"if not v then\n"
		"  front = redis.call('GET', KEYS[2])\n"
		"  if not front then return false end\n"
		"  key = 'f' .. front\n"
		"  v = redis.call('GET', key)\n"
		"  if not v then return false end\n"
		"end\n"
		"if v:sub(1, 1) == 'F' then\n"
		"  v = 'T' .. v:sub(2)\n"
		"  redis.call('SETRANGE', key, 0, 'T')\n"
		"end\n"
		"return {v, front}\n",
	/* what is the same is written again, too: its seal may be of a key that is going */
	[SP_SCRIPT_KEEP] =
		GET
		"local kept = 1\n"
		"if v and #r >= 41 then\n"
		"  if " IS_SAME " then\n"
		"    if s == 'C' then kept = 0 end\n"
		"  elseif r:sub(5, 8) == ARGV[1]:sub(5, 8) then\n"
		"    if ARGV[3] ~= '1' and r:byte(13) >= ARGV[1]:byte(13) then return 2 end\n"
		"  elseif struct.unpack('>I4', r, 9) >= struct.unpack('>I4', ARGV[1], 9) then\n"
		"    return 3\n"
		"  end\n"
		"end\n"
		"redis.call('SET', KEYS[1], 'C' .. ARGV[1], 'PX', ARGV[2])\n"
		PUT_DOWN
		"return kept\n",
	[SP_SCRIPT_DROP] =
		GET
		"if v then\n"
		"  if " IS_SAME " and (ARGV[2] == '' or ARGV[2] == s) then\n"
		"    redis.call('DEL', KEYS[1])\n"
		"  elseif " BACK("r") " == " BACK("ARGV[1]") " then\n"
		"    return 0\n"
		"  end\n"
		"end\n"
		"if redis.call('GET', KEYS[2]) == KEYS[1]:sub(2) then redis.call('DEL', KEYS[2]) end\n"
		"return 1\n",
	/* a record's packed back tuple begins at 34, and is 12 or 36 long, with 8 behind it */
	[SP_SCRIPT_SCAN] =
		"local ours, out = {}, {}\n"
		"for i = 3, #ARGV do ours[ARGV[i]] = true end\n"
		"local page = redis.call('SCAN', ARGV[1], 'MATCH', 'f*', 'COUNT', ARGV[2])\n"
		"for _, key in ipairs(page[2]) do\n"
		"  local v = redis.pcall('GET', key)\n"
		"  if type(v) == 'string' then\n"
		"    local r = v:sub(v:sub(1, 1) == 'P' and 27 or 2)\n"
		"    if #ARGV == 2 or ours[r:sub(34, #r > 53 and 49 or 37)] then\n"
		"      out[#out + 1] = key\n"
		"      out[#out + 1] = v\n"
		"    end\n"
		"  end\n"
		"end\n"
		"return {page[1], out}\n",
	/* a field for each member: when it was written, in ms, and the record; far more of them are nobody's members */
	[SP_SCRIPT_ANNOUNCE] =
		"local t = redis.call('TIME')\n"
		"local now, out = t[1] * 1000 + math.floor(t[2] / 1000), {}\n"
		"if redis.call('HLEN', KEYS[1]) > 256 then redis.call('DEL', KEYS[1]) end\n"
		"redis.call('HSET', KEYS[1], ARGV[1], string.format('%015.0f', now) .. ARGV[2])\n"
		"redis.call('PEXPIRE', KEYS[1], 10 * ARGV[3])\n"
		"local all = redis.call('HGETALL', KEYS[1])\n"
		"for i = 1, #all, 2 do\n"
		"  if (tonumber(all[i + 1]:sub(1, 15)) or 0) + ARGV[3] < now then\n"
		"    redis.call('HDEL', KEYS[1], all[i])\n"
		"  else\n"
		"    out[#out + 1] = all[i + 1]:sub(16)\n"
		"  end\n"
		"end\n"
		"return out\n",
	[SP_SCRIPT_STASH] =
		LATE
		"local c = redis.call('HGET', KEYS[1], 'c')\n"
		"if c and c:sub(14) ~= ARGV[1]:sub(14) then\n"
		"  if tonumber(c:sub(1, 13)) > tonumber(ARGV[1]:sub(1, 13)) then return 0 end\n"
		"  redis.call('DEL', KEYS[1])\n"
		"end\n"
		"local i = tonumber(ARGV[4])\n"
		"if i > 0 and redis.call('HSTRLEN', KEYS[1], i - 1) ~= tonumber(ARGV[6]) then return 0 end\n"
		"if redis.call('HSTRLEN', KEYS[1], i) > #ARGV[5] then return 0 end\n"
		"redis.call('HSET', KEYS[1], 'c', ARGV[1], i, ARGV[5])\n"
		"redis.call('PEXPIRE', KEYS[1], ARGV[2])\n"
		"local ms = now[1] * 1000 + math.floor(now[2] / 1000)\n"
		"redis.call('ZREMRANGEBYSCORE', KEYS[2], 0, ms)\n"
		"redis.call('ZADD', KEYS[2], ms + ARGV[2], KEYS[1]:sub(2))\n"
		"redis.call('PEXPIRE', KEYS[2], ARGV[2])\n"
		"return 1\n",
	[SP_SCRIPT_UNSTASH] =
		"local c = redis.call('HGET', KEYS[1], 'c')\n"
		"if c and c:sub(14) ~= ARGV[1]:sub(14) then return 0 end\n"
		"redis.call('ZREM', KEYS[2], KEYS[1]:sub(2))\n"
		"if redis.call('HSTRLEN', KEYS[1], ARGV[2]) > tonumber(ARGV[3]) or\n"
		"   redis.call('HEXISTS', KEYS[1], ARGV[2] + 1) == 1 then return 0 end\n"
		"return redis.call('DEL', KEYS[1])\n",
	[SP_SCRIPT_LEFT] =
		"local now = redis.call('TIME')\n"
		"local ms = now[1] * 1000 + math.floor(now[2] / 1000)\n"
		"local max = ARGV[1] == '0' and '+inf' or ms + ARGV[2] - ARGV[1]\n"
		"return redis.call('ZRANGEBYSCORE', KEYS[1], ms, max, 'LIMIT', 0, ARGV[3])\n",
	/* a write that a server which takes none refuses, whether there is anything to write or not */
	[SP_SCRIPT_PROBE] =
		"redis.call('SET', KEYS[1], ARGV[1], 'NX')\n"
		"local t = redis.call('TIME')\n"
		"return {redis.call('GET', KEYS[1]), t[1], t[2]}\n",
};

const char *sp_script_text(enum sp_script script)
{
	return texts[script];
}

static void put(struct sp_cmd *cmd, const void *bytes, size_t len)
{
	assert(len <= sizeof(cmd->bytes) - cmd->len);
	memcpy(cmd->bytes + cmd->len, bytes, len);
	cmd->len += len;
}

static void put_count(struct sp_cmd *cmd, char kind, size_t count)
{
	char text[24];

	put(cmd, text, snprintf(text, sizeof(text), "%c%zu\r\n", kind, count));
}

void sp_cmd_begin(struct sp_cmd *cmd, unsigned int args)
{
	cmd->len = 0;
	put_count(cmd, '*', args);
}

void sp_cmd_arg(struct sp_cmd *cmd, const void *bytes, size_t len)
{
	put_count(cmd, '$', len);
	put(cmd, bytes, len);
	put(cmd, "\r\n", 2);
}

void sp_cmd_text(struct sp_cmd *cmd, const char *text)
{
	sp_cmd_arg(cmd, text, strlen(text));
}

void sp_cmd_number(struct sp_cmd *cmd, __u64 number)
{
	char text[24];

	sp_cmd_arg(cmd, text, snprintf(text, sizeof(text), "%llu", number));
}
