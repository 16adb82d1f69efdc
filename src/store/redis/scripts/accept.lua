-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- KEYS front, down; ARGV record, TTL, DUE, ballot. Return: the value that is there now; 'L'
-- include late.lua
-- include get_same_isn.lua
if v and s == 'C' then return v end
if v and s == 'P' and tonumber(v:sub(2, 13), 16) > tonumber(ARGV[4], 16) then return v end
v = 'P' .. ARGV[4] .. ARGV[4] .. 'P' .. ARGV[1]
redis.call('SET', KEYS[1], v, 'PX', ARGV[2])
-- include put_down.lua
return v
