-- Moves a session's idle end, only while it lives and at most once in max(30 s, idle / 20). One user's slot.
-- KEYS: 1 session  2 user's sessions  3 session tombstone   ARGV: 1 offset_ms  2 session
-- Returns 1 when moved, 0 when not due, -1 when there is no such live session
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000) + ARGV[1]
local s = redis.call('HMGET', KEYS[1], 'l', 'i', 'a')
if not s[1] or redis.call('EXISTS', KEYS[3]) == 1 then return -1 end
local seen, idle, absolute = tonumber(s[1]), tonumber(s[2]), tonumber(s[3])
if now >= absolute or now >= seen + idle then return -1 end
if now - seen < math.max(30000, idle / 20) then return 0 end
local ends = string.format('%d', math.min(now + idle, absolute))
redis.call('HSET', KEYS[1], 'l', string.format('%d', now))
redis.call('PEXPIREAT', KEYS[1], ends)
redis.call('ZADD', KEYS[2], 'XX', ends, ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
return 1
