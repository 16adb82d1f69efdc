-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- KEYS front, down, both made of one tuple. Return: nil; or the value that is there now, and the packed front
-- tuple if the down key led there, else ''
-- A promise without a record does not hide the value of an earlier version.
local key, front, at = KEYS[1], '', 0
local v = redis.call('GET', key)
if not v then
  front = redis.call('GET', KEYS[2])
  if not front then return false end
  key = 'f' .. front
  v = redis.call('GET', key)
  if not v then return false end
end
if v:byte() == 80 then
-- include record.lua
  at = behind(v)
  v = v:sub(at + 1)
end
if v:byte() == 70 then
  v = 'T' .. v:sub(2)
  redis.call('SETRANGE', key, at, 'T')
end
return {v, front}
