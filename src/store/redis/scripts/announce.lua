-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- KEYS members; ARGV name, record, TTL. Return: a list of records
-- A field for each member: its time in ms, 15 digits, and its record. More than 256 fields are not of members.
local t = redis.call('TIME')
local now, out = t[1] * 1000 + math.floor(t[2] / 1000), {}
if redis.call('HLEN', KEYS[1]) > 256 then redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%015.0f', now) .. ARGV[2])
redis.call('PEXPIRE', KEYS[1], 10 * ARGV[3])
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  if (tonumber(all[i + 1]:sub(1, 15)) or 0) + ARGV[3] < now then
    redis.call('HDEL', KEYS[1], all[i])
  else
    out[#out + 1] = all[i + 1]:sub(16)
  end
end
return out
