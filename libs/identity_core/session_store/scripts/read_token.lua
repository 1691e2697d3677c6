-- Reads an opaque access token and the standing of all it hangs on. One user's slot: every key is built from the
-- token's own record and shares its tag.
-- KEYS: 1 token record   ARGV: 1 offset_ms  2 slot prefix  3 token key
-- Returns {} | {now_ms, record, client_id, binding, user, expires_ms, session fields or {}, user epoch, ended flags…}
local r = redis.call('HMGET', KEYS[1], 'd', 'c', 'b', 'u', 'x', 's', 'S', 'g', 'G')
if not r[1] then return {} end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000) + ARGV[1]
if now >= tonumber(r[5]) then return {} end
local p = ARGV[2]
local s = redis.call('HMGET', p .. 's:' .. r[6], 'u', 'h', 'c', 'at', 'ac', 'am', 'i', 'a', 'l', 'eu', 'et')
if not s[1] or now >= tonumber(s[8]) or now >= tonumber(s[9]) + tonumber(s[7]) then s = {} end
local m = redis.call('MGET', p .. 'e:' .. r[4], p .. 'x:s:' .. r[7], p .. 'x:g:' .. r[9], p .. 'x:g:' .. r[7],
  p .. 'x:t:' .. ARGV[3])
return {now, r[1], r[2], r[3], r[4], r[5], s, m[1] or '0', m[2] and 1 or 0, (m[3] or m[4]) and 1 or 0, m[5] and 1 or 0}
