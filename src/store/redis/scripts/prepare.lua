-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- KEYS front; ARGV record, TTL, DUE, ballot. Return: the value that is there now; 'L'
-- Of promises around each other 4 at most: else no promise is made.
-- include late.lua
-- include record.lua
local v = redis.call('GET', KEYS[1])
-- include instance.lua
local accepted, origin, r = '000000000000', '-', nil
if d and d > 0 or d == 0 and s == 'C' then
  return v
elseif d == 0 and s == 'P' then
  if tonumber(v:sub(2, 13), 16) >= tonumber(ARGV[4], 16) then return v end
  accepted, origin, r = v:sub(14, 25), v:sub(26, 26), v:sub(27)
elseif d == 0 then
  origin, r = s, v:sub(2)
else
  if d and #w + behind(v) >= 4 * 38 then return w .. v end
  r = ARGV[1]:sub(1, 8) .. struct.pack('>I4', version(ARGV[1])) .. (d and v or '')
end
v = 'P' .. ARGV[4] .. accepted .. origin .. r
redis.call('SET', KEYS[1], w .. v, 'PX', ARGV[2])
return v
