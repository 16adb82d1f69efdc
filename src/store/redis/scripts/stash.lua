-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- KEYS head, index of the owner; ARGV identity, TTL, DUE, number of the chunk, chunk, length of a full chunk
-- Return: 1: the server has this chunk, and all chunks before; 0: it has not; 'L'
-- include late.lua
local c = redis.call('HGET', KEYS[1], 'c')
if c and c:sub(14) ~= ARGV[1]:sub(14) then
  if tonumber(c:sub(1, 13)) > tonumber(ARGV[1]:sub(1, 13)) then return 0 end
  redis.call('DEL', KEYS[1])
end
local i = tonumber(ARGV[4])
if i > 0 and redis.call('HSTRLEN', KEYS[1], i - 1) ~= tonumber(ARGV[6]) then return 0 end
if redis.call('HSTRLEN', KEYS[1], i) > #ARGV[5] then return 0 end
redis.call('HSET', KEYS[1], 'c', ARGV[1], i, ARGV[5])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[2], 0, ms)
redis.call('ZADD', KEYS[2], ms + ARGV[2], KEYS[1]:sub(2))
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return 1
