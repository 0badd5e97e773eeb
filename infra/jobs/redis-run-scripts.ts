// Both: KEYS are records (id → run), order and unfinished (ids by number), number (the last one given), changes (a stream).
// Runs are text here, compared and stored as it is: Lua's JSON would write an empty list as an empty object.

const tell = `
local function tell(text)
  return redis.call('XADD', KEYS[5], 'MAXLEN', '~', 1000, '*', 'run', text)
end
`;

/**
 * ARGV: id, run, "wait" or "refuse", how many may wait. What is in the way is as `isInTheWay` has it. Gives a word,
 * and the change or the run that it is about.
 */
export const admitScript = `${tell}
local known = redis.call('HGET', KEYS[1], ARGV[1])
if known then return {'known', known} end
local kind = cjson.decode(ARGV[2]).run.kind
local first = nil
local inTheWay = nil
local waiting = 0
for _, id in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
  local text = redis.call('HGET', KEYS[1], id)
  if not first then first = text end
  local run = cjson.decode(text).run
  if not inTheWay and (kind == 'past' or run.kind ~= 'past') then inTheWay = text end
  if run.state == 'queued' then waiting = waiting + 1 end
end
if inTheWay and ARGV[3] == 'refuse' then return {'busy', inTheWay} end
if first and waiting >= tonumber(ARGV[4]) then return {'full', first} end
local number = redis.call('INCR', KEYS[4])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], number, ARGV[1])
redis.call('ZADD', KEYS[3], number, ARGV[1])
return {'admitted', tell(ARGV[2])}
`;

/**
 * ARGV: id, the run as it was read, as it is to be, "1" if it has ended, how many are kept, and the token that must hold the
 * lock KEYS[6], "" for none. Gives the change; false if it was changed since, "locked" if the lock is lost.
 */
export const replaceScript = `${tell}
if ARGV[6] ~= '' and redis.call('GET', KEYS[6]) ~= ARGV[6] then return 'locked' end
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return false end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
if ARGV[4] == '1' then
  redis.call('ZREM', KEYS[3], ARGV[1])
  local before = redis.call('ZSCORE', KEYS[2], ARGV[1]) - ARGV[5]
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', before)) do
    if not redis.call('ZSCORE', KEYS[3], id) then
      redis.call('ZREM', KEYS[2], id)
      redis.call('HDEL', KEYS[1], id)
    end
  end
end
return tell(ARGV[3])
`;
