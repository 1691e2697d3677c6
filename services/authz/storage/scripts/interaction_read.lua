-- Reads an interaction of this browser. One key.
-- KEYS: 1 interaction   ARGV: 1 offset_ms  2 SHA-256 of the browser's secret
-- Returns {} (unknown, over, or another browser's) | {step, record}
local r = redis.call('HMGET', KEYS[1], 'b', 'n', 'r', 'x')
if not r[1] or r[1] ~= ARGV[2] then return {} end
local t = redis.call('TIME')
if t[1] * 1000 + math.floor(t[2] / 1000) + ARGV[1] >= tonumber(r[4]) then return {} end
return {tonumber(r[2]), r[3]}
