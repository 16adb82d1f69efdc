-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- KEYS front, down; ARGV record, TTL, DUE. Return: nil: the record was stored; the value that is there; 'L'
-- include late.lua
local f = 'F' .. ARGV[1]
local v = redis.call('SET', KEYS[1], f, 'NX', 'GET', 'PX', ARGV[2])
if v then
  local at = v:byte() == 80 and 31 or 6
  if v:sub(at, at + 3) == ARGV[1]:sub(5, 8) then return v end
  redis.call('SET', KEYS[1], f, 'PX', ARGV[2])
end
-- include put_down.lua
return false
