-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- KEYS index of an owner; ARGV age, TTL, max. Return: a list of packed front tuples
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
local max = ARGV[1] == '0' and '+inf' or ms + ARGV[2] - ARGV[1]
return redis.call('ZRANGEBYSCORE', KEYS[1], ms, max, 'LIMIT', 0, ARGV[3])
