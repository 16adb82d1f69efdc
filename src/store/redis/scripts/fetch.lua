-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- KEYS front, down, both made of one tuple. Return: nil; or the value that is there now, and the packed front
-- tuple if the down key led there, else ''
local key, front = KEYS[1], ''
local v = redis.call('GET', key)
if not v then
  front = redis.call('GET', KEYS[2])
  if not front then return false end
  key = 'f' .. front
  v = redis.call('GET', key)
  if not v then return false end
end
if v:sub(1, 1) == 'F' then
  v = 'T' .. v:sub(2)
  redis.call('SETRANGE', key, 0, 'T')
end
return {v, front}
