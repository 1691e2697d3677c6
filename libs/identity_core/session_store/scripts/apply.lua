-- Writes ledger rows of one user's slot: the higher epoch wins, twice is harmless.
-- KEYS: per row the epoch or tombstone key   ARGV: 1 slot prefix, then per row: kind (u s g t), id, epoch, until_ms ('' none)
-- Returns the number of rows
local p = ARGV[1]
for i, key in ipairs(KEYS) do
  local kind, id, epoch, until_ms = ARGV[i * 4 - 2], ARGV[i * 4 - 1], ARGV[i * 4], ARGV[i * 4 + 1]
  local known = redis.call('GET', key)
  if not known or tonumber(known) <= tonumber(epoch) then
    if until_ms == '' then
      redis.call('SET', key, epoch)
    else
      redis.call('SET', key, epoch, 'PXAT', until_ms)
    end
  end
  if kind == 's' then
    local user = redis.call('HGET', p .. 's:' .. id, 'u')
    if user then
      redis.call('DEL', p .. 's:' .. id)
      redis.call('ZREM', p .. 'u:' .. user, id)
    end
  end
end
return #KEYS
