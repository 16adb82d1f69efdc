-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- KEYS front, down; ARGV record, TTL, DUE. Return: nil: the record was stored; the value that is there; 'L'
-- include late.lua
local v = redis.call('SET', KEYS[1], 'F' .. ARGV[1], 'NX', 'GET', 'PX', ARGV[2])
if v then
-- include record.lua
-- include instance.lua
  if d and d >= 0 then return v end
  redis.call('SET', KEYS[1], w .. 'F' .. ARGV[1], 'PX', ARGV[2])
end
-- include put_down.lua
return false
