-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- KEYS none; ARGV cursor, count, address... Return: the next cursor, and a list of keys and values
-- The packed back tuple of a record begins at 34; it has 12 or 36 bytes, and 8 bytes of seal behind.
local ours, out = {}, {}
for i = 3, #ARGV do ours[ARGV[i]] = true end
local page = redis.call('SCAN', ARGV[1], 'MATCH', 'f*', 'COUNT', ARGV[2])
for _, key in ipairs(page[2]) do
  local v = redis.pcall('GET', key)
  if type(v) == 'string' then
    local r = v:sub(v:sub(1, 1) == 'P' and 27 or 2)
    if #ARGV == 2 or ours[r:sub(34, #r > 53 and 49 or 37)] then
      out[#out + 1] = key
      out[#out + 1] = v
    end
  end
end
return {page[1], out}
