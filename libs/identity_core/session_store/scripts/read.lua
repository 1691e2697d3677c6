-- Reads one standing. One user's slot; a key that was not asked for names nothing.
-- KEYS: 1 session  2 user epoch  3 session tombstone  4 grant tombstone  5 grants-of-session tombstone  6 token tombstone
-- ARGV: 1 offset_ms  2 slot prefix ('' when the user was asked for: KEYS 2 is right)
-- Returns {now_ms, session fields or {}, user epoch, session ended, grant ended, token ended}
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000) + ARGV[1]
local s = redis.call('HMGET', KEYS[1], 'u', 'h', 'c', 'at', 'ac', 'am', 'i', 'a', 'l', 'eu', 'et')
if not s[1] or now >= tonumber(s[8]) or now >= tonumber(s[9]) + tonumber(s[7]) then s = {} end
local epoch = KEYS[2]
-- A cookie does not say whose it is: the session's own record does.
if ARGV[2] ~= '' and s[1] then epoch = ARGV[2] .. 'e:' .. s[1] end
local m = redis.call('MGET', epoch, KEYS[3], KEYS[4], KEYS[5], KEYS[6])
return {now, s, m[1] or '0', m[2] and 1 or 0, (m[3] or m[4]) and 1 or 0, m[5] and 1 or 0}
