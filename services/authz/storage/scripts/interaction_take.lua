-- Takes one step of an interaction: of two POSTs with one number only the first goes on. One key.
-- KEYS: 1 interaction   ARGV: 1 offset_ms  2 SHA-256 of the browser's secret  3 step
-- Returns {} (unknown, over, or another browser's) | {'stale', step, record} | {'taken', step + 1, record}
local r = redis.call('HMGET', KEYS[1], 'b', 'n', 'r', 'x')
if not r[1] or r[1] ~= ARGV[2] then return {} end
local t = redis.call('TIME')
if t[1] * 1000 + math.floor(t[2] / 1000) + ARGV[1] >= tonumber(r[4]) then return {} end
if r[2] ~= ARGV[3] then return {'stale', tonumber(r[2]), r[3]} end
return {'taken', redis.call('HINCRBY', KEYS[1], 'n', 1), r[3]}
