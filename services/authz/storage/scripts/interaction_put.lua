-- Writes what a taken step has come to, unless another step was taken meanwhile. One key.
-- KEYS: 1 interaction   ARGV: 1 step  2 record
-- Returns 1 | 0
if redis.call('HGET', KEYS[1], 'n') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'r', ARGV[2])
return 1
