-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- KEYS front, down; ARGV record, state. Return: 1: removed; 0
-- r:sub(5, -9) is a record without magic and seal, r:sub(34, -9) its packed back tuple.
-- include get.lua
if v then
  if r:sub(5, -9) == ARGV[1]:sub(5, -9) and (ARGV[2] == '' or ARGV[2] == s) then
    redis.call('DEL', KEYS[1])
  elseif r:sub(34, -9) == ARGV[1]:sub(34, -9) then
    return 0
  end
end
if redis.call('GET', KEYS[2]) == KEYS[1]:sub(2) then redis.call('DEL', KEYS[2]) end
return 1
