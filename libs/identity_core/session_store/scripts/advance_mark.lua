-- Moves this primary's mark forward after an incremental check; a mark that is not the one read stays as it is.
-- KEYS: 1 mark   ARGV: 1 node  2 ledger id  3 xid
-- Returns 1 when the mark names this node and ledger (moved or already further), else 0
local m = redis.call('HMGET', KEYS[1], 'node', 'ledger', 'xid')
if m[1] ~= ARGV[1] or m[2] ~= ARGV[2] then return 0 end
if tonumber(m[3]) < tonumber(ARGV[3]) then redis.call('HSET', KEYS[1], 'xid', ARGV[3]) end
return 1
