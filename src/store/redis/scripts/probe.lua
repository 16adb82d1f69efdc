-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- KEYS marker; ARGV marker. Return: the marker that is there, and the time
-- A server that takes no writes refuses SET, even if there is nothing to write.
redis.call('SET', KEYS[1], ARGV[1], 'NX')
local t = redis.call('TIME')
return {redis.call('GET', KEYS[1]), t[1], t[2]}
