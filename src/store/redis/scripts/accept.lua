-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- KEYS front, down; ARGV record, TTL, DUE, ballot. Return: the value that is there now; 'L'
-- include late.lua
-- include record.lua
local v = redis.call('GET', KEYS[1])
-- include instance.lua
if d and d > 0 or d == 0 and s == 'C' then return v end
if d == 0 and s == 'P' and tonumber(v:sub(2, 13), 16) > tonumber(ARGV[4], 16) then return v end
v = 'P' .. ARGV[4] .. ARGV[4] .. 'P' .. ARGV[1]
redis.call('SET', KEYS[1], w .. v, 'PX', ARGV[2])
-- include put_down.lua
return v
