-- Takes an authorization code: the record becomes a tombstone. A wrong secret changes nothing. One key.
-- KEYS: 1 code   ARGV: 1 offset_ms  2 SHA-256 of the secret  3 tombstone_ms
-- Returns {} | {'taken' or 'replayed', now_ms, record}
local r = redis.call('HMGET', KEYS[1], 'h', 'r', 'x', 't')
if not r[1] or r[1] ~= ARGV[2] then return {} end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000) + ARGV[1]
if r[4] then return {'replayed', now, r[2]} end
if now >= tonumber(r[3]) then return {} end
redis.call('HSET', KEYS[1], 't', string.format('%d', now))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {'taken', now, r[2]}
