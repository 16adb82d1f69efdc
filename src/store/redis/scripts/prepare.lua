-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- KEYS front; ARGV record, TTL, DUE, ballot. Return: the value that is there now; 'L'
-- include late.lua
-- include get_same_isn.lua
local promised, accepted, origin = '000000000000', '000000000000', '-'
if not v then
  r = ARGV[1]:sub(1, 8)
elseif s == 'C' then
  return v
elseif s == 'P' then
  promised, accepted, origin = v:sub(2, 13), v:sub(14, 25), v:sub(26, 26)
  if tonumber(promised, 16) >= tonumber(ARGV[4], 16) then return v end
else
  origin = s
end
v = 'P' .. ARGV[4] .. accepted .. origin .. r
redis.call('SET', KEYS[1], v, 'PX', ARGV[2])
return v
