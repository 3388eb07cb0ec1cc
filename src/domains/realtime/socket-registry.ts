import type { RedisLink } from '../../adapters/redis/link.js'
import type { EventBus } from '../../engine/bus.js'
import type { SocketEntry, SocketRegistry } from './hub.js'

/**
 * Enters a socket in its user's list, in the order of opening, takes out those of processes that gave no sign of life
 * for a while, and answers the ids of those that are too many, oldest first. A list ends with its last token.
 */
const ENTER = `
  redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
  local own = string.sub(ARGV[1], 1, 36)
  for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
    local epoch = string.sub(member, 1, 36)
    if epoch ~= own and redis.call('EXISTS', ARGV[5] .. epoch) == 0 then redis.call('ZREM', KEYS[1], member) end
  end
  local surplus = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[3])
  local replaced = {}
  if surplus > 0 then
    for index, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, surplus - 1)) do
      redis.call('ZREM', KEYS[1], member)
      replaced[index] = string.sub(member, 38)
    end
  end
  if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
  return replaced`

/**
 * The sockets of each user on all instances, kept in Redis so that the oldest of too many goes wherever it is
 * (contract section 10). While Redis is away each instance counts its own; when it is back, all are entered anew under
 * a new epoch, and what was too many meanwhile goes.
 */
export class SharedSocketRegistry implements SocketRegistry {
  /** The epoch each was entered under: only what was entered is taken out. */
  readonly #entered = new Map<string, string>()

  constructor(
    private readonly link: RedisLink,
    private readonly bus: EventBus,
    private readonly maxPerUser: number
  ) {}

  enter(entry: SocketEntry): void {
    void this.#enter(entry)
  }

  leave({ id, userId }: SocketEntry): void {
    const epoch = this.#entered.get(id)
    this.#entered.delete(id)
    if (epoch === this.link.epoch) void this.link.call((redis) => redis.zrem(this.#list(userId), `${epoch} ${id}`))
  }

  /** Enters every socket of this instance, oldest first, after a time without Redis. */
  reenter(entries: Iterable<SocketEntry>): void {
    for (const entry of [...entries].sort((a, b) => a.openedAt - b.openedAt)) void this.#enter(entry)
  }

  async #enter({ id, userId, openedAt, expiresAt }: SocketEntry): Promise<void> {
    const { epoch } = this.link
    this.#entered.set(id, epoch)
    const ttl = Math.max(1000, expiresAt - Date.now())
    const replaced = await this.link.call((redis) =>
      redis.eval(ENTER, 1, this.#list(userId), `${epoch} ${id}`, openedAt, this.maxPerUser, ttl, this.link.alivePrefix)
    )
    if (!Array.isArray(replaced) || replaced.length === 0) return
    this.bus.publish({ kind: 'sockets_replaced', ids: replaced.map(String) })
  }

  #list(userId: number): string {
    return this.link.key('sockets', userId)
  }
}
