-- Keeps a new interaction at step 1. One key.
-- KEYS: 1 interaction   ARGV: 1 offset_ms  2 format  3 SHA-256 of the browser's secret  4 record  5 lifetime_ms
-- Returns 1, or 0 when the key is already there
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000) + ARGV[1]
redis.call('HSET', KEYS[1], 'v', ARGV[2], 'b', ARGV[3], 'n', 1, 'r', ARGV[4],
  'x', string.format('%d', now + tonumber(ARGV[5])))
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return 1
