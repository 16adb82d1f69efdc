-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- The value v under the front key, or false, as the version of ARGV[1] sees it. Promises of later versions hide
-- nothing: w has them, and v what is behind. s: state of v; d: its version less that of ARGV[1], which never wraps;
-- nil if v is none, or of another client ISN
local w, s, d = '', v and v:sub(1, 1), nil
if v then
  local isn, n = instance('F' .. ARGV[1])
  if instance(v) == isn then
    local at = behind(v, n)
    w, v = v:sub(1, at), v:sub(at + 1)
    local _, m = instance(v)
    s, d = v:sub(1, 1), m - n
  end
end
