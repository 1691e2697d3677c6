-- Opens a session, or renews the same person's, within the concurrent limit. One user's slot.
-- KEYS: 1 session  2 user's sessions  3 user epoch  4 session tombstone  5 tombstone of the replaced cookie
-- ARGV: 1 offset_ms  2 session  3 user  4 secret_hash  5 user_epoch  6 tenant_epoch  7 auth_time_ms  8 acr  9 amr
--       10 idle_ms  11 absolute_end_ms  12 limit ('' none)  13 on_limit  14 replaced secret hash ('' none)
--       15 slot prefix  16 format
-- Returns {'ok', evicted…} | {'ended'} | {'limit'}
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000) + ARGV[1]
local epoch = tonumber(redis.call('GET', KEYS[3]) or '0')
if redis.call('EXISTS', KEYS[4]) == 1 or epoch > tonumber(ARGV[5]) then return {'ended'} end

local created, absolute = now, tonumber(ARGV[11])
if ARGV[14] ~= '' then
  local old = redis.call('HMGET', KEYS[1], 'u', 'h', 'c', 'a')
  if old[1] ~= ARGV[3] or old[2] ~= ARGV[14] or tonumber(old[4]) <= now then return {'ended'} end
  created, absolute = tonumber(old[3]), tonumber(old[4])
  redis.call('SET', KEYS[5], '1', 'PXAT', string.format('%d', absolute + 86400000))
elseif redis.call('EXISTS', KEYS[1]) == 1 then
  return {'ended'}
end

redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
local evicted = {'ok'}
if ARGV[12] ~= '' and ARGV[14] == '' then
  local limit = tonumber(ARGV[12])
  if redis.call('ZCARD', KEYS[2]) >= limit then
    local live = {}
    for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
      local f = redis.call('HMGET', ARGV[15] .. 's:' .. id, 'c', 'eu')
      if f[1] and tonumber(f[2]) >= epoch then
        live[#live + 1] = {tonumber(f[1]), id}
      else
        redis.call('ZREM', KEYS[2], id)
      end
    end
    if #live >= limit and ARGV[13] == 'refuse' then return {'limit'} end
    table.sort(live, function(a, b) return a[1] < b[1] or (a[1] == b[1] and a[2] < b[2]) end)
    for i = 1, #live - limit + 1 do
      local id = live[i][2]
      redis.call('DEL', ARGV[15] .. 's:' .. id)
      redis.call('ZREM', KEYS[2], id)
      evicted[#evicted + 1] = id
    end
  end
end

local ends = math.min(now + tonumber(ARGV[10]), absolute)
if ends <= now then return {'ended'} end
local d = function(n) return string.format('%d', n) end
redis.call('HSET', KEYS[1], 'v', ARGV[16], 'u', ARGV[3], 'h', ARGV[4], 'c', d(created), 'a', d(absolute),
  'i', ARGV[10], 'l', d(now), 'at', ARGV[7], 'ac', ARGV[8], 'am', ARGV[9], 'eu', ARGV[5], 'et', ARGV[6])
redis.call('PEXPIREAT', KEYS[1], d(ends))
redis.call('ZADD', KEYS[2], ends, ARGV[2])
local last = redis.call('ZRANGE', KEYS[2], -1, -1, 'WITHSCORES')
redis.call('PEXPIREAT', KEYS[2], d(math.max(tonumber(last[2]), absolute)))
return evicted
