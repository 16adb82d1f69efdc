-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- KEYS head, index of the owner; ARGV identity, number of the last chunk, its length. Return: 1: removed; 0
local c = redis.call('HGET', KEYS[1], 'c')
if c and c:sub(14) ~= ARGV[1]:sub(14) then return 0 end
redis.call('ZREM', KEYS[2], KEYS[1]:sub(2))
if redis.call('HSTRLEN', KEYS[1], ARGV[2]) > tonumber(ARGV[3]) or
   redis.call('HEXISTS', KEYS[1], ARGV[2] + 1) == 1 then return 0 end
return redis.call('DEL', KEYS[1])
