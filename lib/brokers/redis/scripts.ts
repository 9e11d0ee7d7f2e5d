import { createHash } from 'node:crypto'

/** A Lua script of Redis, and its SHA-1, by which a server finds a script that it has. */
export class Script {
  readonly sha: string

  constructor (readonly text: string) {
    this.sha = createHash('sha1').update(text).digest('hex')
  }
}

/**
 * Appends a message to a log, and publishes it with its position. Returns the position.
 *
 * KEYS: the log, the channel. ARGV: the message, the size, the ttl in ms, the most bytes, PUBLISH or SPUBLISH.
 *
 * `MAXLEN ~` removes whole nodes of the stream, which costs nearly nothing. Messages so short that `size` of them stay below the most
 * bytes need no more. After a longer one, the script looks whether the stream has grown to twice the most bytes, and cuts it then.
 */
export const append = new Script(`
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', 'm', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call(ARGV[5], KEYS[2], id .. ' ' .. ARGV[1])
local most = tonumber(ARGV[4])
if #ARGV[1] * ARGV[2] > most and redis.call('MEMORY', 'USAGE', KEYS[1], 'SAMPLES', '0') > 2 * most then
  local bytes, kept, last = 0, id, '+'
  while last do
    local page = redis.call('XREVRANGE', KEYS[1], last, '-', 'COUNT', 16)
    last = nil
    for _, entry in ipairs(page) do
      bytes = bytes + #entry[2][2]
      if bytes > most and entry[1] ~= id then
        redis.call('XTRIM', KEYS[1], 'MINID', kept)
        return id
      end
      kept = entry[1]
      last = '(' .. entry[1]
    end
  end
end
return id
`)

/**
 * The position from which on messages count: of the newest `size` messages, those that are no older than `ttl`. The log may have more,
 * because only whole nodes of the stream are removed.
 */
const LEAST = `
local function parts (id)
  local ms, n = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(n)
end
local function later (a, b)
  local aMs, aN = parts(a)
  local bMs, bN = parts(b)
  if aMs > bMs or (aMs == bMs and aN > bN) then return a else return b end
end
local function least (size, ttl)
  local time = redis.call('TIME')
  local id = string.format('%d-0', math.max(0, time[1] * 1000 + math.floor(time[2] / 1000) - ttl))
  local extra = redis.call('XLEN', KEYS[1]) - size
  if extra <= 0 then return id end
  local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', extra + 1)
  return later(id, oldest[extra + 1][1])
end
`

/** Reads messages from a position on. KEYS: the log. ARGV: the count, the size, the ttl in ms, the position. */
export const read = new Script(`${LEAST}
return redis.call('XRANGE', KEYS[1], later(ARGV[4], least(ARGV[2], ARGV[3])), '+', 'COUNT', ARGV[1])
`)

/** Reads the newest messages, the newest first. KEYS: the log. ARGV: the count, the size, the ttl in ms. */
export const readNewest = new Script(`${LEAST}
return redis.call('XREVRANGE', KEYS[1], '+', least(ARGV[2], ARGV[3]), 'COUNT', ARGV[1])
`)
