-- Generic cell rate algorithm, in microseconds. The value is the theoretical arrival time of the next cell.
-- KEYS: 1 counter   ARGV: 1 offset_ms  2 microseconds a cell  3 burst  4 cost
-- Returns 0 when allowed (and consumed), else microseconds until it would be
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2] + ARGV[1] * 1000
local cell, cost = tonumber(ARGV[2]), tonumber(ARGV[4])
local tat = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now) + cell * cost
local wait = tat - cell * tonumber(ARGV[3]) - now
if wait > 0 then return wait end
redis.call('SET', KEYS[1], string.format('%d', tat), 'PX', math.ceil((tat - now) / 1000) + 1)
return 0
