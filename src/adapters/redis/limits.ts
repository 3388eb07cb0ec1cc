import type { FastifyRateLimitStoreCtor } from '@fastify/rate-limit'
import { LRUCache } from 'lru-cache'
import type { RedisLink } from './link.js'

interface Count {
  readonly current: number
  /** Milliseconds until it starts anew. */
  readonly ttl: number
}

/** Counts and reads in one step. A counter without an end, whatever made it, gets one. */
const COUNT = `
  local current = redis.call('INCR', KEYS[1])
  local ttl = redis.call('PTTL', KEYS[1])
  if ttl < 0 then
    redis.call('PEXPIRE', KEYS[1], ARGV[1])
    ttl = tonumber(ARGV[1])
  end
  return {current, ttl}`

/**
 * A store for @fastify/rate-limit that all instances share. Each process counts what it saw as well, so that limits
 * still hold, each instance for itself, while Redis is away; the plugin's own way then is to have none.
 * @param maxClients how many counters a process keeps; beyond them the least recently used go
 */
export function sharedLimitStore(link: RedisLink, maxClients: number): FastifyRateLimitStoreCtor {
  const local = new LRUCache<string, { count: number; endsAt: number }>({ max: maxClients })

  function countHere(key: string, timeWindow: number): Count {
    const now = Date.now()
    let counter = local.get(key)
    if (counter === undefined || counter.endsAt <= now) counter = { count: 0, endsAt: now + timeWindow }
    counter.count += 1
    local.set(key, counter)
    return { current: counter.count, ttl: counter.endsAt - now }
  }

  async function count(key: string, timeWindow: number): Promise<Count> {
    const here = countHere(key, timeWindow)
    const reply = await link.call((redis) => redis.eval(COUNT, 1, link.key('limit', key), timeWindow))
    if (!Array.isArray(reply)) return here
    const [current = 0, ttl = 0] = reply.map(Number)
    return { current, ttl }
  }

  return class SharedStore {
    incr(key: string, callback: (err: Error | null, result?: Count) => void, timeWindow: number): void {
      // A callback that throws must not be called again as if counting had failed: link.call never rejects.
      void count(key, timeWindow).then((result) => callback(null, result))
    }

    /** Keys name their limit, so all limits share the counters. */
    child(): SharedStore {
      return this
    }
  }
}
