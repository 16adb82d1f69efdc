-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- The pointer under the down key
redis.call('SET', KEYS[2], KEYS[1]:sub(2), 'PX', ARGV[2])
