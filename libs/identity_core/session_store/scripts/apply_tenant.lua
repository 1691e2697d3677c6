-- Writes epochs of a tenant and its clients into one of the tenant's 16 hashes: the higher wins.
-- KEYS: 1 hash   ARGV: pairs of field and epoch
for i = 1, #ARGV, 2 do
  local known = redis.call('HGET', KEYS[1], ARGV[i])
  if not known or tonumber(known) < tonumber(ARGV[i + 1]) then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  end
end
return #ARGV / 2
